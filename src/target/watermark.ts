/** What the watermark row of a target says (design D2), the same for every engine. */
import { ReplicatorError } from '../failure/failure.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import {
  printTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../mutation/timestamp.ts';
import type { TargetCheckpoint, WatermarkMove } from './target.ts';

/** As a driver answers it. */
export type WatermarkRow = Readonly<Record<string, unknown>>;

export function checkpointOf(row: WatermarkRow): TargetCheckpoint {
  return { applied: row['applied'] as Timestamp, epoch: Number(row['epoch']) };
}

/** Why the row did not move, by what it says now; E4009 or E4017. */
export function notMoved(
  { schema, checkpoint, previous }: WatermarkMove,
  row: WatermarkRow | undefined,
): ReplicatorError {
  const there = row && checkpointOf(row);
  return there?.epoch !== checkpoint.epoch
    ? new ReplicatorError('E4009')
    : new ReplicatorError('E4017', {
        detail: `the watermark of ${schema} at the target is ${printTimestamp(there.applied)}, and was left at ${printTimestamp(previous)}`,
      });
}

/** The row belongs to another staging store; `table` is its quoted name. */
export function foreignWatermark(
  schema: SchemaName,
  there: TargetCheckpoint | null,
  table: string,
): ReplicatorError {
  const applied = printTimestamp(there?.applied ?? zeroTimestamp);
  return new ReplicatorError('E4016', {
    detail: `the target ${schema} was written through ${applied} by a replicator with another staging store`,
    remedy: `start with the --dataDir or --stagingConn that was used before; if it is lost, delete from ${table} at the target and restart the changefeed with cursor '${applied}' or earlier; behind a slot, load the tables again as of a new one`,
  });
}
