/**
 * Two clusters with a slot between them, under a workload that goes on while
 * the daemon is killed and the target is stopped.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { reportLines } from '../../src/workload/report-text.ts';
import {
  createSlotWorkloadTables,
  runSlotWorkload,
  type WorkloadProgress,
} from '../../src/workload/workload.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import type { DemoOptions } from './demo-options.ts';
import {
  type DemoTarget,
  productNames,
  startDemoTarget,
} from './demo-target.ts';
import { MortalDaemon } from './mortal-daemon.ts';
import { type Screen, size } from './screen.ts';
import { SlotLook } from './slot-figures.ts';
import { type SlotSample, slotView } from './slot-view.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { readHealth, readVarz } from './varz.ts';

const slotName = 'replicator';

export async function slotDemo(
  { target: product, seconds, rate }: DemoOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  screen.say(
    `This shows a PostgreSQL cluster (real) reaching ${product === 'postgres' ? 'another one' : productNames[product]} (real) through a replication slot and \`replicator pglogical\`, with the embedded staging.`,
  );
  screen.say('Starting the source and the target …');
  await using source = await startPostgresServer({
    // So little memory that it streams larger transactions before they end.
    settings: { wal_level: 'logical', logical_decoding_work_mem: '64kB' },
  });
  await using target = await startDemoTarget(product);
  if (signal.aborted) {
    return 0;
  }
  const tables = {
    sourceUrl: source.url(),
    sourceSchema: 'public',
    slotName,
    targetUrl: target.url,
    targetSchema: target.schema,
  };
  await createSlotWorkloadTables(tables);
  await using folder = await temporaryFolder();
  screen.say('Starting the daemon, which creates publication and slot …');
  await using daemon = await MortalDaemon.start({
    command: 'pglogical',
    args: [
      '--sourceConn=env:DEMO_SOURCE',
      `--slotName=${slotName}`,
      '--publicationName=replicator',
      '--createPublication',
      '--createSlot',
      '--targetConn=env:DEMO_TARGET',
      `--targetSchema=${target.fullSchema}`,
      '--stageUnappliedPeriod=1s',
    ],
    env: { DEMO_SOURCE: source.url(), DEMO_TARGET: target.url },
    dataDir: `${folder.path}/data`,
  });
  await using look = new SlotLook(source.url(), slotName);
  await Promise.race([look.untilRead(signal), daemon.untimelyEnd]);
  if (signal.aborted) {
    // Nothing has been written.
    return (await daemon.drain()) ? 0 : 1;
  }
  screen.say(
    `Look into it meanwhile: curl ${daemon.metricsUrl}/_/varz   (or /_/healthz)`,
  );
  screen.say(`The source: ${source.url()}\nThe target: ${target.url}`);
  screen.say(
    `Below, the daemon is killed and the target is stopped; the writing goes on. ${seconds > 0 ? `After about ${seconds} seconds` : 'Ctrl-C ends the writing; then'} every row is compared.\n`,
  );

  const writing = new AbortController();
  const run = new DemoRun({ screen, daemon, look });
  const workload = runSlotWorkload(
    {
      ...tables,
      createTables: false,
      rowsPerSecond: rate,
      seed: 1 + Math.floor(Math.random() * 2 ** 31),
      tableRows: 2000,
      lookIntervalMs: 500,
      catchUpTimeoutMs: 60_000,
    },
    (progress) => run.onProgress(progress),
    writing.signal,
  );
  const ended = workload.then(
    () => run.end(),
    () => run.end(),
  );
  const story = tell(run, { target, seconds, signal }).finally(() =>
    writing.abort(),
  );
  const report = await Promise.race([
    Promise.all([workload, story]).then(([found]) => found),
    daemon.untimelyEnd,
  ]);
  await ended;
  await run.shown;
  const { transactions, sentRows } = report.progress;
  screen.say(
    `\n${transactions} transactions, ${sentRows} rows written; ${run.faults.join(' and ') || 'nothing was broken'}.`,
  );
  const lines = reportLines(report);
  screen.say(
    lines.join('\n') + (report.verified ? ' at source and target' : ''),
  );
  const drained = await daemon.drain();
  if (!drained) {
    screen.say(`The daemon did not end well. Its log:\n${daemon.logs()}`);
  }
  return report.verified && drained ? 0 : 1;
}

/** The acts. What was broken is mended also when Ctrl-C comes in between. */
async function tell(
  run: DemoRun,
  {
    target,
    seconds,
    signal,
  }: {
    readonly target: DemoTarget;
    readonly seconds: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { screen, daemon, look } = run;
  const beatMs = ((seconds || 20) * 1000) / 8;
  const pause = async (beats: number): Promise<void> => {
    await sleep(beats * beatMs, undefined, {
      signal: AbortSignal.any([signal, run.over]),
    }).catch(() => {});
  };
  const isOver = (): boolean => signal.aborted || run.over.aborted;
  const until = async (
    isDone: () => boolean | Promise<boolean>,
  ): Promise<void> => {
    while (!isOver() && !(await isDone())) {
      await sleep(50);
    }
  };
  const targetHasAllOfNow = async (): Promise<void> => {
    const { transactions } = run.progress!;
    await until(() => run.progress!.appliedTransactions >= transactions);
  };

  await until(() => (run.progress?.appliedTransactions ?? 0) > 0);
  await pause(2);
  if (isOver()) {
    return;
  }
  screen.say('— kill -9 of the daemon. The source writes on, the slot waits.');
  await daemon.kill();
  run.faults.push('the daemon was killed');
  await pause(1);
  screen.say('— The daemon is started again, and goes on where it was.');
  await daemon.restart();
  await targetHasAllOfNow();
  await pause(1);
  if (isOver()) {
    return;
  }
  screen.say(
    '— The target is stopped. The slot is read and confirmed all the same: the source need not keep its WAL.',
  );
  await target.stop();
  run.faults.push('the target was stopped');
  const before = (await look.figures()).confirmedBytes;
  await pause(1.5);
  await until(async () => (await look.figures()).confirmedBytes > before);
  const { confirmedBytes, retainedBytes } = await look.figures();
  screen.say(
    `— ${size(confirmedBytes - before)} of WAL were confirmed meanwhile, ${size(retainedBytes)} are held back. The target is started again.`,
  );
  await target.start();
  await targetHasAllOfNow();
  screen.say('— The target has caught up.');
  await (seconds > 0 ? pause(1) : until(() => false));
}

class DemoRun {
  readonly screen: Screen;
  readonly daemon: MortalDaemon;
  readonly look: SlotLook;
  readonly faults: string[] = [];
  progress: WorkloadProgress | null = null;
  /** What was to be shown has been; rejects when the source did not answer. */
  shown: Promise<void> = Promise.resolve();
  readonly #over = new AbortController();
  #previous: SlotSample | null = null;

  constructor(parts: Pick<DemoRun, 'screen' | 'daemon' | 'look'>) {
    this.screen = parts.screen;
    this.daemon = parts.daemon;
    this.look = parts.look;
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  end(): void {
    this.#over.abort();
  }

  onProgress(progress: WorkloadProgress): void {
    this.progress = progress;
    this.shown = this.shown.then(() => this.#show(progress));
    // Whoever awaits it in the end hears of it.
    this.shown.catch(() => {});
  }

  async #show(workload: WorkloadProgress): Promise<void> {
    const { metricsUrl } = this.daemon;
    const [slot, varz, health] = await Promise.all([
      this.look.figures(),
      readVarz(metricsUrl).catch(() => null),
      readHealth(metricsUrl).catch(() => 'does not answer'),
    ]);
    const sample = { workload, slot, lagSeconds: varz?.lagSeconds, health };
    this.screen.show(slotView(sample, this.#previous));
    this.#previous = sample;
  }
}
