import { execFileSync } from 'node:child_process';

/**
 * Runs an ES module in a process of its own, where `gc` can be called and
 * nothing else is on the heap. Returns what its one line of JSON says.
 */
export function runWithGc<T>(program: string): T {
  const output = execFileSync(
    process.execPath,
    [
      '--expose-gc',
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      program,
    ],
    { encoding: 'utf8' },
  );
  return JSON.parse(output) as T;
}
