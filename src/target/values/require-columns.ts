import { ReplicatorError } from '../../failure/failure.ts';
import type { ShapeRows } from '../target.ts';

/** Without a column every row would equal every other: E4012. */
export function requireColumns({ table, columns }: ShapeRows): void {
  if (columns.length === 0) {
    throw new ReplicatorError('E4012', {
      detail: `no column of table ${table.schema}.${table.name} that staged rows carry is at the target`,
    });
  }
}
