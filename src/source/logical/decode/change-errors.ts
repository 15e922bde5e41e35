/** What a change can be refused for; see E6009 and E6011 in the catalogue. */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { TablePlan } from './table-plan.ts';

export function protocolError(plan: TablePlan, what: string): ReplicatorError {
  return new ReplicatorError('E6009', {
    detail: `the source sent ${what}, of the table ${sourceName(plan)}`,
  });
}

/** The change does not tell the target's key of the row. */
export function unlocated(plan: TablePlan, change: string): ReplicatorError {
  const { relation, isKeyed, keyColumns, missingKeyColumns } = plan;
  const source = sourceName(plan);
  const key = keyColumns.join(', ');
  const reason =
    !isKeyed && plan.keySources.length === 0
      ? 'the target table has none of its columns'
      : !isKeyed
        ? 'the target table has no primary key, and the source does not send whole old rows'
        : missingKeyColumns.length > 0
          ? `the source does not send ${missingKeyColumns.join(', ')} of the target's primary key (${key})`
          : `the target's primary key is (${key}), and replica identity ${relation.replicaIdentity} of the source does not tell it`;
  return new ReplicatorError('E6011', {
    detail: `cannot tell which row of ${source} the source has changed (${change}): ${reason}`,
  });
}

/** A part was emptied, and the target has its rows among others. */
export function partEmptied(plan: TablePlan): ReplicatorError {
  return new ReplicatorError('E6011', {
    detail: `the source has emptied ${sourceName(plan)} alone, whose rows stand among those of other partitions in ${plan.table.name} of the target`,
    remedy:
      'delete the rows of that partition at the target by hand, and start again with --partitionTruncate ignore; a partition that is emptied with DELETE needs neither',
  });
}

export function sourceName({ relation }: Pick<TablePlan, 'relation'>): string {
  return `${relation.schema}.${relation.table}`;
}
