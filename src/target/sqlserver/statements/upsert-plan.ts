/** Which statements one upsert takes; worked out once for each shape. */
import { ReplicatorError } from '../../../failure/failure.ts';
import { ShapePlans } from '../../apply/shape-plans.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import {
  fixedIdentities,
  refuseRewriteStatement,
  rewriteStatement,
  upsertStatement,
} from './statements.ts';

export interface PlannedStatement {
  readonly text: string;
  /** The session must be told that IDENTITY_INSERT is off, should it fail. */
  readonly setsIdentityInsert: boolean;
  /** What it means when the statement refuses. */
  readonly refusal?: () => ReplicatorError;
}

const plans = new ShapePlans<readonly PlannedStatement[]>(newPlan);

export function upsertPlan(rows: ShapeRows): readonly PlannedStatement[] {
  return plans.planOf(rows);
}

function newPlan({
  table,
  columns,
  replace = false,
}: ShapeRows): PlannedStatement[] {
  const fixed = fixedIdentities(columns);
  const setsIdentityInsert = columns.some(({ identity }) => identity !== null);
  const upsert = {
    text: upsertStatement(table, columns, { replace }),
    setsIdentityInsert,
  };
  if (fixed.length === 0) {
    return [upsert];
  }
  return table.deleteHasEffects
    ? [
        {
          text: refuseRewriteStatement(table, columns, fixed),
          setsIdentityInsert: false,
          refusal: () => identityRefusal(table, fixed),
        },
        upsert,
      ]
    : [
        {
          text: rewriteStatement(table, columns, fixed),
          setsIdentityInsert: true,
        },
        upsert,
      ];
}

function identityRefusal(
  table: TableShape,
  fixed: readonly ColumnShape[],
): ReplicatorError {
  const names = fixed.map(({ name }) => `"${name}"`).join(', ');
  return new ReplicatorError('E4005', {
    detail: `identity column ${names} of table ${table.schema}.${table.name} has another value at the source, and it can only be changed by deleting the row, to which other rows or triggers are tied`,
    remedy:
      'make it an ordinary column at the target, or update the row there by hand',
  });
}
