/** Which statements one upsert takes; worked out once for each shape. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../target.ts';
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

const plans = new WeakMap<
  TableShape,
  Map<string, readonly PlannedStatement[]>
>();

export function upsertPlan(rows: ShapeRows): readonly PlannedStatement[] {
  const { table, columns } = rows;
  let ofTable = plans.get(table);
  if (!ofTable) {
    ofTable = new Map();
    plans.set(table, ofTable);
  }
  const shape = [
    rows.replace === true,
    ...columns.map(({ name }) => name),
  ].join('\0');
  let plan = ofTable.get(shape);
  if (!plan) {
    plan = requireKey(table, () => newPlan(rows));
    ofTable.set(shape, plan);
  }
  return plan;
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

export function requireKey<T>(
  table: TableShape,
  statement: (table: TableShape) => T,
): T {
  if (table.primaryKey.length === 0) {
    throw new ReplicatorError('E4008', {
      detail: `table ${table.name} has no primary key at the target`,
      remedy: 'give the table the primary key that it has at the source',
    });
  }
  return statement(table);
}
