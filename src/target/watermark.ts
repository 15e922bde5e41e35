/** What the watermark row of a target says, the same for every engine. */
import { ReplicatorError } from '../failure/failure.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import {
  printTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../mutation/timestamp.ts';
import type { CommitMark, TargetCheckpoint, WatermarkMove } from './target.ts';

/** As a driver answers it. */
export type WatermarkRow = Readonly<Record<string, unknown>>;

export function checkpointOf(row: WatermarkRow): TargetCheckpoint {
  return { applied: row['applied'] as Timestamp, epoch: Number(row['epoch']) };
}

export function isMove(mark: CommitMark): mark is WatermarkMove {
  return 'checkpoint' in mark;
}

/** Why the row did not move, or does not hold, by what it says now; E4009 or E4017. */
export function notHeld(
  mark: CommitMark,
  row: WatermarkRow | undefined,
): ReplicatorError {
  const there = row && checkpointOf(row);
  const epoch = isMove(mark) ? mark.checkpoint.epoch : mark.epoch;
  if (there === undefined) {
    return isMove(mark)
      ? new ReplicatorError('E4009')
      : new ReplicatorError('E4017', {
          detail: `the watermark of ${mark.schema} at the target is gone`,
        });
  }
  if (there.epoch > epoch) {
    return new ReplicatorError('E4009');
  }
  // Epochs only rise: an earlier one is that of an older state of the target.
  if (there.epoch < epoch || !isMove(mark)) {
    return new ReplicatorError('E4017', {
      detail: `the watermark of ${mark.schema} at the target has the epoch ${there.epoch}, and was left with ${epoch}`,
    });
  }
  return new ReplicatorError('E4017', {
    detail: `the watermark of ${mark.schema} at the target is ${printTimestamp(there.applied)}, and was left at ${printTimestamp(mark.previous)}`,
  });
}

/**
 * Why a claim left the row as it was: it belongs to another staging store
 * (E4016), or has a later epoch (E4009). `table` is its quoted name.
 */
export function notClaimed(
  schema: SchemaName,
  stagingId: string,
  row: WatermarkRow | undefined,
  table: string,
): ReplicatorError {
  if (
    row === undefined ||
    row['staging_id'] === stagingId ||
    row['applied'] === zeroTimestamp
  ) {
    return new ReplicatorError('E4009');
  }
  const applied = printTimestamp(checkpointOf(row).applied);
  return new ReplicatorError('E4016', {
    detail: `the target ${schema} was written through ${applied} by a replicator with another staging store`,
    remedy: `start with the --dataDir or --stagingConn that was used before; if it is lost, delete from ${table} at the target and restart the changefeed with cursor '${applied}' or earlier; behind a slot, load the tables again as of a new one`,
  });
}
