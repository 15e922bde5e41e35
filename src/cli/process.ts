/** The edge to the operating system: signals, pipes, exit code. */
import { constants } from 'node:os';
import { failureLine, main } from './main.ts';
import { titleWithoutSecrets } from './process-title.ts';

// From here on `ps` shows no secret, and a diagnostic report no environment.
const title = titleWithoutSecrets(process.argv.slice(2));
if (title !== null) {
  process.title = title;
}
process.report.excludeEnv = true;

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) {
      // Safe at any instruction: staging is durable.
      process.exit(exitCodes[signal]);
    }
    stop.abort();
  });
}

// `replicator staging list | head` ends quietly, by the code of other tools.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit(128 + constants.signals.SIGPIPE);
    }
    throw error;
  });
}

// Whatever nobody caught leaves the process in a state that nobody knows: it
// ends, and the next start goes on from what is durable.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    process.stderr.write(
      `${failureLine(error, { REPLICATOR_STACK: '1' })}\n`,
      () => process.exit(1),
    );
  });
}

process.exitCode = await main(process.argv.slice(2), process.env, {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
});

// The loop ends by itself; a socket that somebody forgot may not hold it up.
setTimeout(() => process.exit(), 2000).unref();
