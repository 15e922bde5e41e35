import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * A process that outlives us by a moment: when its standard input ends,
 * because it was disposed or because we died (kill -9 included), it runs a
 * shell script with the given positional arguments. What a test starts is
 * cleared away by the same few lines whichever way the test ends.
 */
export function startUndertaker(
  script: string,
  parameters: readonly string[],
): AsyncDisposable {
  const child = spawn(
    'sh',
    ['-c', `cat >/dev/null\n${script}`, 'undertaker', ...parameters],
    // Detached: Ctrl-C must not take it with us.
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  );
  child.unref();
  const input = child.stdin;
  (input as unknown as { unref(): void }).unref();
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.ref();
      input.end();
      await exited;
    },
  };
}
