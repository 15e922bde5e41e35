/** From a commit at the source to the row that a reader sees at the target. */
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { subscriptionLatencyFloor } from '../floors/subscription.ts';
import { processGroupUsage } from '../process-usage.ts';
import { PUBLICATION } from '../sources/backlogs.ts';
import { openPings } from '../sources/pings.ts';
import { startSlotDaemon } from '../sources/slot-daemon.ts';

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
): Promise<CaseSample> {
  await using stack = new AsyncDisposableStack();
  const pings = stack.use(await openPings(environment));
  const { sourceUrl, targetUrl, database, slotName } = pings.places;
  const daemon = stack.use(
    await startSlotDaemon(
      [
        `--sourceConn=${sourceUrl}`,
        `--targetConn=${targetUrl}`,
        `--targetSchema=${database}.public`,
        `--slotName=${slotName}`,
        `--publicationName=${PUBLICATION}`,
      ],
      program,
    ),
  );
  await daemon.during((ended) => pings.slot.untilActive(ended));
  const before = processGroupUsage(daemon.pid);
  const sample = await daemon.during((ended) => pings.run(seconds, ended));
  const after = processGroupUsage(daemon.pid);
  return {
    rowsPerSecond: sample.rowsPerSecond,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / sample.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: sample.p50Ms,
    p99Ms: sample.p99Ms,
  };
}

export const slotLatency: BenchCase = {
  name: 'slot-latency',
  measure,
  floors: [subscriptionLatencyFloor],
};
