/** What an operator wants to see of a slot and its daemon. */
import type { WorkloadProgress } from '../../src/workload/workload.ts';
import { count, perSecond, size, tableRow, type View } from './screen.ts';
import type { SlotFigures } from './slot-figures.ts';

export interface SlotSample {
  readonly workload: WorkloadProgress;
  /** Asked of the source, not of the daemon: true while that is dead, too. */
  readonly slot: SlotFigures;
  /** None while the daemon does not answer or has applied nothing. */
  readonly lagSeconds: number | undefined;
  /** `OK`, or what is not well. */
  readonly health: string;
}

export function slotView(
  sample: SlotSample,
  previous: SlotSample | null,
): View {
  const { workload, slot, health } = sample;
  const elapsedMs = workload.elapsedMs - (previous?.workload.elapsedMs ?? 0);
  const written = perSecond(
    workload.sentRows - (previous?.workload.sentRows ?? 0),
    elapsedMs,
  );
  const applied = perSecond(
    workload.appliedRows - (previous?.workload.appliedRows ?? 0),
    elapsedMs,
  );
  const time = `${Math.round(workload.elapsedMs / 1000)}s ${workload.phase}`;
  const lag = Number.isFinite(sample.lagSeconds)
    ? `${sample.lagSeconds?.toFixed(2)} s`
    : '-';
  return {
    table: [
      tableRow(time, 'total', 'now'),
      tableRow(
        'rows written at the source',
        count(workload.sentRows),
        `${count(written)}/s`,
      ),
      tableRow(
        'rows applied at the target',
        count(workload.appliedRows),
        `${count(applied)}/s`,
      ),
      tableRow('lag of the target', lag),
      tableRow('WAL not yet safe with us', size(slot.unconfirmedBytes)),
      tableRow('WAL the slot holds back', size(slot.retainedBytes)),
      tableRow('states checked', count(workload.looks), 'all equal'),
      `  daemon: ${health}`,
    ],
    line: [
      time,
      `${workload.sentRows} rows at source (${written}/s)`,
      `${workload.appliedRows} applied (${applied}/s)`,
      `lag ${lag}`,
      `slot: ${size(slot.unconfirmedBytes)} unconfirmed, ${size(slot.retainedBytes)} WAL held back`,
      `${workload.looks} states checked`,
      `daemon: ${health}`,
    ].join(', '),
  };
}
