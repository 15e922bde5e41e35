/**
 * `npm run demo`: a played CockroachDB changefeed, the real daemon, a real
 * database, and every row compared at the end. Leaves nothing behind.
 */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadOptions } from '../../src/config/load.ts';
import type { OptionTable } from '../../src/config/options.ts';
import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  type Certificates,
  createCertificates,
} from '../../src/lib/certificates.ts';
import { reportLines } from '../../src/workload/report-text.ts';
import {
  runWorkload,
  type WorkloadProgress,
} from '../../src/workload/workload.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { startUndertaker } from '../support/undertaker.ts';
import { demoProducts, productNames, startDemoTarget } from './demo-target.ts';
import { Screen } from './screen.ts';
import { readVarz } from './varz.ts';

const demoOptions = {
  target: {
    type: 'enum',
    values: demoProducts,
    default: 'postgres',
    group: 'Command',
    about: 'The database that the rows go to.',
  },
  seconds: {
    type: 'int',
    default: 0,
    min: 0,
    group: 'Command',
    unit: 'seconds',
    about: 'End after so long; 0 goes on until Ctrl-C.',
  },
  rate: {
    type: 'int',
    default: 2000,
    min: 0,
    group: 'Command',
    unit: 'rows a second',
    about: 'How much the source writes; 0 as much as the daemon takes.',
  },
} as const satisfies OptionTable;

async function demo(screen: Screen, signal: AbortSignal): Promise<number> {
  const { values } = await loadOptions(demoOptions, process.argv.slice(2), {});
  screen.say(
    `This shows a CockroachDB changefeed (played) reaching ${productNames[values.target]} (real) through \`replicator start\` over mutual TLS, with the embedded staging.`,
  );
  screen.say(`Starting ${productNames[values.target]} …`);
  await using target = await startDemoTarget(values.target);
  if (signal.aborted) {
    return 0;
  }
  await using folder = await temporaryFolder();
  const certificates = await createCertificates({
    hosts: ['localhost', '127.0.0.1'],
    days: 7,
    clientName: 'demo changefeed',
  });
  screen.say('Starting the daemon …');
  await using daemon = await demoDaemon(folder.path, certificates, target.url);
  screen.say(
    `Look into it meanwhile: curl ${daemon.metricsUrl}/_/varz   (or /_/healthz, /_/diag)`,
  );
  screen.say(
    values.seconds > 0
      ? `The source writes for ${values.seconds} seconds, then every row is compared.\n`
      : 'Ctrl-C ends the writing; then every row is compared.\n',
  );
  const stops = [signal];
  if (values.seconds > 0) {
    stops.push(AbortSignal.timeout(values.seconds * 1000));
  }
  let shown = Promise.resolve();
  const run = runWorkload(
    {
      ...workloadDefaults,
      sink: {
        url: new URL(`${daemon.url}${target.path}`),
        tls: {
          ca: certificates.ca.cert,
          ...certificates.client,
          rejectUnauthorized: true,
        },
      },
      targetUrl: target.url,
      targetSchema: target.schema,
      rowsPerSecond: values.rate,
      seed: 1 + Math.floor(Math.random() * 2 ** 31),
    },
    (progress) => {
      shown = shown.then(() => show(screen, daemon, progress));
    },
    AbortSignal.any(stops),
  );
  const report = await Promise.race([run, untimelyEnd(daemon)]);
  await shown;
  screen.say(`\n${reportLines(report).join('\n')}`);
  const drained = await drain(daemon);
  if (!drained) {
    screen.say(`The daemon did not end well. Its log:\n${daemon.logs()}`);
  }
  return report.verified && drained ? 0 : 1;
}

const workloadDefaults = {
  mode: 'consistent',
  createTables: true,
  tableRows: 2000,
  requestTimeoutMs: 3000,
  gzip: false,
  diff: false,
  lookIntervalMs: 500,
  replayIntervalMs: 5000,
  catchUpTimeoutMs: 60_000,
  concurrentRequests: 16,
  batchSize: 100,
  resolvedIntervalMs: 250,
  tries: 3,
  retryMinMs: 100,
  retryMaxMs: 2000,
  failFast: false,
} as const;

async function demoDaemon(
  folder: string,
  certificates: Certificates,
  targetUrl: string,
): Promise<Daemon> {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const { server, ca } = certificates;
  return startDaemon({
    args: [
      '--targetConn=env:DEMO_TARGET',
      `--tlsCertificate=${await write('server.pem', server.cert)}`,
      `--tlsPrivateKey=${await write('server.key', server.key)}`,
      `--tlsClientCA=${await write('ca.pem', ca.cert)}`,
      '--stageUnappliedPeriod=1s',
    ],
    env: { DEMO_TARGET: targetUrl },
    dataDir: join(folder, 'data'),
  });
}

async function show(
  screen: Screen,
  daemon: Daemon,
  workload: WorkloadProgress,
): Promise<void> {
  const numbers = await readVarz(daemon.metricsUrl).catch(() => null);
  screen.show({ workload, daemon: numbers });
}

/** Rejects when the daemon ends though nobody told it to. */
async function untimelyEnd(daemon: Daemon): Promise<never> {
  const code = await daemon.exited;
  throw new Error(`the daemon ended with ${code}:\n${daemon.logs()}`);
}

/** SIGTERM: the daemon must end what is in flight and exit 0. */
async function drain(daemon: Daemon): Promise<boolean> {
  daemon.kill('SIGTERM');
  return (await daemon.exited) === 0;
}

async function temporaryFolder(): Promise<
  { readonly path: string } & AsyncDisposable
> {
  const path = await mkdtemp(join(tmpdir(), 'replicator-demo-'));
  const undertaker = startUndertaker('rm -rf "$1"', [path]);
  return {
    path,
    [Symbol.asyncDispose]: () => undertaker[Symbol.asyncDispose](),
  };
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
