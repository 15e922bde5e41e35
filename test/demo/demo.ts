/**
 * `npm run demo`: real servers, the real daemon, a workload, and every row
 * compared at the end. Leaves nothing behind.
 */
import { optionSignature } from '../../src/cli/help.ts';
import { wrapText } from '../../src/cli/wrap-text.ts';
import { loadOptions } from '../../src/config/load.ts';
import type { OptionEntry } from '../../src/config/options.ts';
import { ReplicatorError } from '../../src/failure/failure.ts';
import { changefeedDemo } from './changefeed-demo.ts';
import { demoOptions } from './demo-options.ts';
import { Screen } from './screen.ts';
import { slotDemo } from './slot-demo.ts';

async function demo(screen: Screen, signal: AbortSignal): Promise<number> {
  const { values, help } = await loadOptions(
    demoOptions,
    process.argv.slice(2),
    {},
  );
  if (help) {
    screen.say(helpLines().join('\n'));
    return 0;
  }
  return values.source === 'slot'
    ? slotDemo(values, screen, signal)
    : changefeedDemo(values, screen, signal);
}

function helpLines(): string[] {
  const options: [string, OptionEntry][] = Object.entries(demoOptions);
  return [
    'Usage: npm run demo -- [options]',
    '',
    ...wrapText(
      'Starts real databases and the real daemon, lets a source write, breaks what must not matter, and compares every row at the end. Exit code 0 says that all are equal. Leaves nothing behind.',
      78,
    ),
    '',
    ...options.flatMap(([name, entry]) => [
      `  ${optionSignature(name, entry)}`,
      ...wrapText(`${entry.about} (default: ${String(entry.default)})`, 70).map(
        (line) => `      ${line}`,
      ),
    ]),
  ];
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) {
      // What was started watches this process and ends with it.
      process.exit(130);
    }
    stop.abort();
  });
}
// Nobody reads any more (`| head`): as Ctrl-C, and without a word.
process.stdout.on('error', () => stop.abort());
process.stderr.on('error', () => {});

let exitCode = 1;
try {
  exitCode = await demo(new Screen(process.stdout), stop.signal);
} catch (error) {
  const text =
    error instanceof ReplicatorError ? error.line : (error as Error).message;
  process.stderr.write(`demo: ${text}\n`);
}
// After a failure the workload may still wait for a daemon that is gone.
process.exit(exitCode);
