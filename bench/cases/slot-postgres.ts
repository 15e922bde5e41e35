/**
 * How fast a backlog in a slot becomes rows of another PostgreSQL server;
 * every table is compared with the source's.
 */
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { subscriptionFloor } from '../floors/subscription.ts';
import { processGroupUsage } from '../process-usage.ts';
import { type BacklogKind, PUBLICATION } from '../sources/backlogs.ts';
import { startSlotDaemon } from '../sources/slot-daemon.ts';
import { slotSource } from '../sources/slot-source.ts';

async function measure(
  { environment, changes }: SampleOptions,
  program: string | undefined,
  kind: BacklogKind,
): Promise<CaseSample> {
  await using stack = new AsyncDisposableStack();
  const source = await slotSource(environment);
  const backlog = await source.backlog(kind, changes);
  const target = stack.use(await backlog.openTarget());
  const slot = stack.use(await backlog.openSlot());
  const daemon = stack.use(
    await startSlotDaemon(
      [
        `--sourceConn=${backlog.sourceUrl}`,
        `--targetConn=${target.url}`,
        `--targetSchema=${target.database}.public`,
        `--slotName=${slot.name}`,
        `--publicationName=${PUBLICATION}`,
      ],
      program,
    ),
  );
  await daemon.during((ended) => slot.untilActive(ended));
  const before = processGroupUsage(daemon.pid);
  const startedAtMs = performance.now();
  await daemon.during((ended) => target.untilEnd(ended));
  const elapsedMs = performance.now() - startedAtMs;
  const after = processGroupUsage(daemon.pid);
  await target.verify();
  return {
    rowsPerSecond: (backlog.changes * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / backlog.changes,
    rssMiB: after.peakRssMiB,
    // Of a backlog they would only say how long it was.
    p50Ms: null,
    p99Ms: null,
  };
}

export function slotCatchUpCase(name: string, kind: BacklogKind): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, kind),
    floors: [subscriptionFloor(kind)],
  };
}
