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

/** Throws E4022 where the target computes a column by which rows are found. */
export function requireWritableKey(table: TableShape): void {
  const computed = table.primaryKey.find(({ generated }) => generated);
  if (computed) {
    throw new ReplicatorError('E4022', {
      detail: `column "${computed.name}" of the primary key of table ${table.schema}.${table.name}`,
    });
  }
}
