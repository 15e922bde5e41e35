import { type ChildProcess, fork } from 'node:child_process';
import type { Daemon } from '../test/support/daemon.ts';
import type { BenchEnvironment } from './environment.ts';
import type {
  LoadCommand,
  LoadReport,
  LoadResult,
  LoadSetup,
} from './load-protocol.ts';
import { type LoadShape, USUAL_SHAPE } from './load-shape.ts';

const CONNECTIONS = 16;

export interface Feed extends AsyncDisposable {
  run(
    command: Omit<LoadCommand, 'kind'>,
    onSample?: (id: number, sentAtMs: number) => void,
  ): Promise<LoadResult>;
}

/** Starts the load process and connects it to a daemon. */
export async function startFeed(
  daemon: Daemon,
  { certificates }: BenchEnvironment,
  path: string,
  shape: LoadShape = USUAL_SHAPE,
): Promise<Feed> {
  const child = fork(new URL('load.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  await ask(child, {
    kind: 'setup',
    port: daemon.port,
    path,
    connections: CONNECTIONS,
    ca: certificates.ca.cert,
    cert: certificates.client.cert,
    key: certificates.client.key,
    shape,
  });
  return {
    async run(command, onSample) {
      const answer = await ask(child, { kind: 'run', ...command }, onSample);
      if (answer.kind !== 'done') throw new Error(`load says ${answer.kind}`);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
    },
  };
}

async function ask(
  child: ChildProcess,
  message: LoadSetup | LoadCommand,
  onSample?: (id: number, sentAtMs: number) => void,
): Promise<LoadReport> {
  const answer = Promise.withResolvers<LoadReport>();
  const onMessage = (report: LoadReport): void => {
    if (report.kind === 'sample') onSample?.(report.id, report.sentAtMs);
    else if (report.kind === 'failed') answer.reject(new Error(report.text));
    else answer.resolve(report);
  };
  const onExit = (): void => answer.reject(new Error('the load process ended'));
  child.on('message', onMessage).on('exit', onExit);
  child.send(message);
  try {
    return await answer.promise;
  } finally {
    child.off('message', onMessage).off('exit', onExit);
  }
}
