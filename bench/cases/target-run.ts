/** A target, the daemons before it and the load that they get. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { samplesOf } from '../../test/demo/varz.ts';
import { type Daemon, startDaemon } from '../../test/support/daemon.ts';
import type { BenchEnvironment } from '../environment.ts';
import { type Feed, startFeed } from '../feed.ts';
import { type LoadShape, USUAL_SHAPE } from '../load-shape.ts';
import { processGroupUsage, type ProcessUsage } from '../process-usage.ts';
import { FIRST_ID } from '../rows.ts';
import type { BenchTarget, OpenBenchTarget } from '../targets/target.ts';

const APPLY_TIMEOUT_MS = 60_000;
/** Any of so many last requests may be the one that is applied last. */
const LAST_REQUESTS = 32;

export interface TargetRunOptions {
  readonly kind: BenchTarget;
  readonly mode: 'immediate' | 'consistent';
  /**
   * `shared`: two daemons on one PostgreSQL; the one that stands by takes the
   * requests, the other one applies.
   */
  readonly staging?: 'sqlite' | 'postgres' | 'shared';
  readonly shape?: LoadShape;
  readonly flags?: readonly string[];
}

export interface TargetRun extends AsyncDisposable {
  readonly target: OpenBenchTarget;
  readonly feed: Feed;
  /** The first of them takes the requests. */
  readonly daemons: readonly [Daemon, ...Daemon[]];
  usage(): ProcessUsage;
  /** Full collections of the daemons' heaps since they began, as /_/varz counts them. */
  fullCollections(): Promise<number>;
  /** Waits for the last row of each of the last requests, whoever sent them. */
  untilApplied(
    nextId: number,
    options?: { readonly firstId?: number; readonly timeoutMs?: number },
  ): Promise<void>;
  /** Throws unless the target holds exactly the rows of `firstId` to `nextId`. */
  verify(nextId: number, firstId?: number): Promise<void>;
}

export async function openTargetRun(
  environment: BenchEnvironment,
  program: string | undefined,
  options: TargetRunOptions,
): Promise<TargetRun> {
  const { kind, mode, staging = 'sqlite', shape = USUAL_SHAPE } = options;
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await kind.fresh(environment));
  const args = [
    ...environment.tlsFlags,
    `--targetConn=${target.url}`,
    ...(mode === 'immediate' ? ['--immediate'] : []),
    ...(staging === 'sqlite' ? [] : await stagingFlags(environment)),
    ...(options.flags ?? []),
  ];
  const start = async (): Promise<Daemon> =>
    stack.use(
      await startDaemon({
        args,
        ...(program === undefined ? {} : { program }),
      }),
    );
  const daemons: [Daemon, ...Daemon[]] = [await start()];
  if (staging === 'shared') {
    await resolve(daemons[0], environment, target.path);
    daemons.unshift(await start());
  }
  const feed = stack.use(
    await startFeed(daemons[0], environment, target.path, shape),
  );
  const owned = stack.move();
  return {
    target,
    feed,
    daemons,
    usage: () => sumUsage(daemons),
    async fullCollections() {
      const counts = await Promise.all(daemons.map(fullCollectionsOf));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async untilApplied(
      nextId,
      { firstId = FIRST_ID, timeoutMs = APPLY_TIMEOUT_MS } = {},
    ) {
      const lastIds = Array.from(
        { length: LAST_REQUESTS },
        (_, index) => nextId - 1 - index * shape.requestRows,
      ).filter((id) => id >= firstId);
      const deadline = performance.now() + timeoutMs;
      while ((await target.visibleIds(lastIds)).length < lastIds.length) {
        if (performance.now() > deadline) {
          throw new Error(`rows are still missing after ${timeoutMs} ms`);
        }
        await sleep(20);
      }
    },
    async verify(nextId, firstId = FIRST_ID) {
      const { all, right } = await target.countRows();
      const sentCount = nextId - firstId;
      if (right !== sentCount || all !== sentCount) {
        throw new Error(
          `sent ${sentCount} rows, the target holds ${all}, ${right} of them right`,
        );
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function stagingFlags(environment: BenchEnvironment): Promise<string[]> {
  return [
    `--stagingConn=${await environment.freshDatabase('bench_staging')}`,
    '--stagingSchema=bench_staging.replicator',
    '--stagingCreateSchema',
  ];
}

/** The schema is open, and this daemon leads it, when the answer is there. */
async function resolve(
  daemon: Daemon,
  { certificates }: BenchEnvironment,
  path: string,
): Promise<void> {
  const { ca, client } = certificates;
  const sending = request(`${daemon.url}${path}`, {
    method: 'POST',
    ca: ca.cert,
    cert: client.cert,
    key: client.key,
  }).end('{"resolved":"1000000000000000000.0000000000"}');
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  answer.resume();
  if (answer.statusCode !== 200) {
    throw new Error(`the first request was answered ${answer.statusCode}`);
  }
}

function sumUsage(daemons: readonly Daemon[]): ProcessUsage {
  const all = daemons.map(({ pid }) => processGroupUsage(pid));
  return {
    cpuMicros: all.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0),
    peakRssMiB: Math.max(...all.map(({ peakRssMiB }) => peakRssMiB)),
  };
}

/** None has come yet where only the series of the kind is missing. */
async function fullCollectionsOf({ metricsUrl }: Daemon): Promise<number> {
  const answer = await fetch(`${metricsUrl}/_/varz`);
  const text = await answer.text();
  if (!answer.ok || !text.includes('# TYPE nodejs_gc_duration_seconds ')) {
    throw new Error(`/_/varz does not count collections: ${answer.status}`);
  }
  return samplesOf(text, 'nodejs_gc_duration_seconds_count')
    .filter(({ labels }) => labels.includes('kind="major"'))
    .reduce((sum, { value }) => sum + value, 0);
}
