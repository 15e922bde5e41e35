/**
 * The door of `workload/`: a source database with a changefeed, both played,
 * or a PostgreSQL source that is real and written to; and a checker that looks
 * at the target meanwhile and at the end.
 */
import { createClock } from './clock.ts';
import { openEngine } from './engines/open-engine.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { createRandom } from './random.ts';
import {
  type RunOptions,
  WorkloadRun,
  type WorkloadProgress,
  type WorkloadReport,
} from './run.ts';
import { openSender, type SinkAddress } from './sender.ts';
import { Source } from './source.ts';
import {
  SqlOutlet,
  type SqlOutletOptions,
  sqlSourceReader,
} from './sql-outlet.ts';
import { TargetReader } from './target-reader.ts';
import { document, plainDocument } from './values.ts';
import { Watcher } from './watcher.ts';

export type { WorkloadProgress, WorkloadReport } from './run.ts';

export interface WorkloadOptions extends RunOptions, FeedOptions {
  readonly sink: SinkAddress;
  readonly requestTimeoutMs: number;
  readonly gzip: boolean;
}

export interface SlotWorkloadOptions
  extends Omit<RunOptions, 'mode' | 'replayIntervalMs'>, SqlOutletOptions {}

/**
 * Writes until `signal` aborts, then lets the target catch up and compares
 * everything. Resolves with what was found; rejects with E5011 when the
 * webhook refuses a request under `failFast`, with E4001 when the target cannot
 * be reached at the beginning, with the driver's error when the tables cannot
 * be created, and with an AbortError when `cut` aborts while it catches up.
 */
export async function runWorkload(
  options: WorkloadOptions,
  onProgress: (progress: WorkloadProgress) => void,
  signal: AbortSignal,
  cut?: AbortSignal,
): Promise<WorkloadReport> {
  const engine = await openEngine(options.targetUrl);
  await using reader = new TargetReader(engine, {
    url: options.targetUrl,
    schema: options.targetSchema,
  });
  if (options.createTables) {
    await reader.createTables(options.mode === 'consistent');
  }
  await reader.reach();
  using sender = openSender(options.sink, options);
  const clock = createClock();
  const random = createRandom(options.seed);
  const source = new Source(clock, random, {
    tableRows: options.tableRows,
    document: engine.exactJsonNumbers ? document : plainDocument,
  });
  // Chances of its own: what the source writes depends on the seed alone.
  const feed = new Feed(options, sender, clock, createRandom(options.seed + 1));
  const watcher = new Watcher(source, reader, options.mode === 'consistent');
  const run = new WorkloadRun(options, {
    source,
    outlet: feed,
    watcher,
    onProgress,
  });
  return run.until(signal, cut);
}

/**
 * The same with a PostgreSQL source: writes to it by SQL once its slot is
 * read. Rejects with the source's error when it refuses a transaction.
 */
export async function runSlotWorkload(
  options: SlotWorkloadOptions,
  onProgress: (progress: WorkloadProgress) => void,
  signal: AbortSignal,
  cut?: AbortSignal,
): Promise<WorkloadReport> {
  const engine = await openEngine(options.targetUrl);
  await using reader = new TargetReader(engine, {
    url: options.targetUrl,
    schema: options.targetSchema,
  });
  if (options.createTables) {
    await createSlotWorkloadTables(options);
  }
  await reader.reach();
  const source = new Source(createClock(), createRandom(options.seed), {
    tableRows: options.tableRows,
    document: engine.exactJsonNumbers ? document : plainDocument,
  });
  const outlet = new SqlOutlet(options, source);
  const watcher = new Watcher(source, reader, true);
  const run = new WorkloadRun(
    { ...options, mode: 'consistent', replayIntervalMs: 0 },
    { source, outlet, watcher, onProgress },
  );
  return run.until(signal, cut);
}

/** Replaces the tables by empty ones, at the target and at the source. */
export async function createSlotWorkloadTables(
  options: SqlOutletOptions & Pick<RunOptions, 'targetUrl' | 'targetSchema'>,
): Promise<void> {
  await using target = new TargetReader(await openEngine(options.targetUrl), {
    url: options.targetUrl,
    schema: options.targetSchema,
  });
  await target.createTables(true);
  await using source = sqlSourceReader(options);
  await source.createTables(true);
}
