/**
 * Which statements give rows another key. Their rows have the new key's
 * columns and then the old one's.
 *
 * One statement moves all rows, at whose end the server looks at the keys: so
 * they may pass between rows. Nobody may update an identity column: a row
 * whose identity changes is deleted and inserted again, where that does no
 * more than that.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ColumnShape, TableShape } from '../../target.ts';
import { quoteIdentifier, tableName } from '../catalog/quoting.ts';
import {
  collate,
  keyMatch,
  ofTable,
  rowSource,
  valueExpression,
} from '../values/row-source.ts';
import { insertStatement, lookupHints, ownErrors } from './statements.ts';
import type { PlannedStatement } from './upsert-plan.ts';

export function moveKeysPlan(table: TableShape): PlannedStatement[] {
  const identities = table.primaryKey.filter(
    ({ identity }) => identity !== null,
  );
  if (identities.length > 0 && !table.deleteHasEffects) {
    return [{ text: rewriteKeysStatement(table), setsIdentityInsert: true }];
  }
  const update = updateKeysStatement(table);
  return [
    ...(identities.length === 0
      ? []
      : [
          {
            text: refuseKeysStatement(table, identities),
            setsIdentityInsert: false,
            refusal: () => identityKeyRefusal(table, identities),
          },
        ]),
    ...(update === null ? [] : [{ text: update, setsIdentityInsert: false }]),
  ];
}

/** Null where the key has no column that could be updated. */
export function updateKeysStatement(table: TableShape): string | null {
  const changed = table.primaryKey.filter(
    ({ identity, generated }) => identity === null && !generated,
  );
  if (changed.length === 0) {
    return null;
  }
  return [
    'update t set',
    `  ${changed
      .map(
        (column) =>
          `${quoteIdentifier(column.name)} = ${newKey(table, column)}`,
      )
      .join(',\n  ')}`,
    `${joined(table)};`,
  ].join('\n');
}

export function rewriteKeysStatement(table: TableShape): string {
  const written = table.columns.filter(({ generated }) => !generated);
  // A computed column of the key is looked for, and not written.
  const saved = [
    ...written,
    ...table.primaryKey.filter(({ generated }) => generated),
  ];
  const place = (column: ColumnShape): string =>
    `c${saved.indexOf(column) + 1}`;
  return [
    `declare @gone table (${saved.map((column) => `${place(column)} ${column.type}${collate(column)}`).join(', ')});`,
    'delete t',
    `output ${saved.map(({ name }) => `deleted.${quoteIdentifier(name)}`).join(', ')} into @gone`,
    `${joined(table)};`,
    ...insertStatement(table, written, [
      `select ${written
        .map((column) =>
          column.keyOrdinal === null
            ? `g.${place(column)}`
            : newKey(table, column),
        )
        .join(', ')}`,
      'from @gone as g',
      `inner join ${rowSource(bothKeys(table))}`,
      `  on ${keyMatch(table, table.primaryKey, {
        first: table.primaryKey.length,
        held: (column) => `g.${place(column)}`,
      })};`,
    ]),
  ].join('\n');
}

/** Where deleting a row would do more than that. */
export function refuseKeysStatement(
  table: TableShape,
  identities: readonly ColumnShape[],
): string {
  return [
    'if exists (',
    'select 1',
    joined(table),
    `where ${identities.map((column) => `${ofTable(column)} <> ${newKey(table, column)}`).join(' or ')}`,
    `) throw ${ownErrors.rewriteRefused}, 'a row would have to be deleted', 1;`,
  ].join('\n');
}

/** The columns of the rows. */
export function bothKeys({ primaryKey }: TableShape): readonly ColumnShape[] {
  return [...primaryKey, ...primaryKey];
}

function newKey({ primaryKey }: TableShape, column: ColumnShape): string {
  return valueExpression(column, primaryKey.indexOf(column));
}

/** Every pair of keys `v` with the row `t` of the old one. */
function joined(table: TableShape): string {
  return [
    `from ${rowSource(bothKeys(table))}`,
    `inner join ${tableName(table)} as t ${lookupHints}`,
    `  on ${keyMatch(table, table.primaryKey, { first: table.primaryKey.length })}`,
  ].join('\n');
}

function identityKeyRefusal(
  table: TableShape,
  identities: readonly ColumnShape[],
): ReplicatorError {
  const names = identities.map(({ name }) => `"${name}"`).join(', ');
  return new ReplicatorError('E4005', {
    detail: `a row of table ${table.schema}.${table.name} has another key at the source, and the identity column ${names} can only be changed by deleting the row, to which other rows or triggers are tied`,
    remedy:
      'make it an ordinary column at the target, or change the key of the row there by hand',
  });
}
