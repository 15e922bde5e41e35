/** How fast a slot is read and decoded when nothing is done with the rows. */
import { dirname, join } from 'node:path';
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { PLUGIN_OPTIONS, recvLogicalFloor } from '../floors/pg-recvlogical.ts';
import { tpcbBacklog } from '../sources/backlogs.ts';
import { startSlotReader } from '../sources/slot-daemon.ts';
import { slotSource } from '../sources/slot-source.ts';

async function measure(
  { environment, changes }: SampleOptions,
  program: string | undefined,
): Promise<CaseSample> {
  await using stack = new AsyncDisposableStack();
  const source = await slotSource(environment);
  const backlog = await source.backlog(tpcbBacklog, changes);
  const slot = stack.use(await backlog.openSlot());
  const bench =
    program === undefined
      ? dirname(import.meta.dirname)
      : join(dirname(dirname(program)), 'bench');
  const reader = stack.use(
    startSlotReader({
      command: process.execPath,
      args: [
        '--disable-warning=ExperimentalWarning',
        join(bench, 'sources', 'read-slot.ts'),
        backlog.sourceUrl,
        slot.name,
        backlog.endLsn,
        JSON.stringify(PLUGIN_OPTIONS),
      ],
    }),
  );
  await reader.during((ended) => slot.untilActive(ended));
  const startedAtMs = performance.now();
  const code = await reader.exited;
  const elapsedMs = performance.now() - startedAtMs;
  const report = await reader.during(async () => {
    if (code !== 0) throw new Error(`the reader ended with code ${code}`);
    return JSON.parse(reader.output()) as {
      changes: number;
      cpuMicros: number;
      rssMiB: number;
    };
  });
  if (report.changes !== backlog.changes) {
    throw new Error(
      `${report.changes} changes of ${backlog.changes} were read`,
    );
  }
  return {
    rowsPerSecond: (report.changes * 1000) / elapsedMs,
    cpuMicrosPerRow: report.cpuMicros / report.changes,
    rssMiB: report.rssMiB,
    p50Ms: null,
    p99Ms: null,
  };
}

export const slotDecode: BenchCase = {
  name: 'slot-decode',
  measure,
  floors: [recvLogicalFloor(tpcbBacklog)],
};
