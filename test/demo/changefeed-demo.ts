/** A played CockroachDB changefeed over mutual TLS to `replicator start`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

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
import { type ChangefeedSample, changefeedView } from './changefeed-view.ts';
import type { DemoOptions } from './demo-options.ts';
import { productNames, startDemoTarget } from './demo-target.ts';
import type { Screen } from './screen.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { readVarz } from './varz.ts';

export async function changefeedDemo(
  { target: product, seconds, rate }: DemoOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  screen.say(
    `This shows a CockroachDB changefeed (played) reaching ${productNames[product]} (real) through \`replicator start\` over mutual TLS, with the embedded staging.`,
  );
  screen.say(`Starting ${productNames[product]} …`);
  await using target = await startDemoTarget(product);
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
    `Look into it meanwhile: curl ${daemon.metricsUrl}/_/varz   (or /_/healthz)`,
  );
  screen.say(
    seconds > 0
      ? `The source writes for ${seconds} seconds, then every row is compared.\n`
      : 'Ctrl-C ends the writing; then every row is compared.\n',
  );
  const stops = [signal];
  if (seconds > 0) {
    stops.push(AbortSignal.timeout(seconds * 1000));
  }
  let shown = Promise.resolve();
  let previous: ChangefeedSample | null = null;
  const show = async (workload: WorkloadProgress): Promise<void> => {
    const numbers = await readVarz(daemon.metricsUrl).catch(() => null);
    const sample = { workload, daemon: numbers };
    screen.show(changefeedView(sample, previous));
    previous = sample;
  };
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
      rowsPerSecond: rate,
      seed: 1 + Math.floor(Math.random() * 2 ** 31),
    },
    (progress) => {
      shown = shown.then(() => show(progress));
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
