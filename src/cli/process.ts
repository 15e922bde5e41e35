/** The edge to the operating system: signals, pipes, exit code. */
import { main } from './main.ts';

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) {
      // Safe at any instruction: staging is durable (design D9).
      process.exit(exitCodes[signal]);
    }
    stop.abort();
  });
}

// `replicator staging list | head` ends quietly, as other tools do.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit(0);
    }
    throw error;
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
