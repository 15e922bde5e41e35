import { ReplicatorError } from '../failure/failure.ts';
import type { TableShape } from './target.ts';

/** Rows are matched by the primary key alone: E4008 where there is none. */
export function requireKey(table: TableShape): void {
  if (table.primaryKey.length === 0) {
    throw new ReplicatorError('E4008', {
      detail: `table ${table.name} has no primary key at the target`,
      remedy: 'give the table the primary key that it has at the source',
    });
  }
}
