/** The SQL that gives rows another key, and that empties tables. */
import type { ReplicatorError } from '../../../failure/failure.ts';
import type { TableShape } from '../../target.ts';
import { passingRefusal } from '../../apply/passed-keys.ts';
import { rowSource, valueExpression, valueList } from '../values/row-source.ts';
import {
  insertInto,
  nameList,
  quoteIdentifier,
  tableName,
} from './statements.ts';
import { identityRefusal, type PlannedStatement } from './upsert-plan.ts';

/**
 * The parameters are the old keys, column by column, and then the new ones.
 * An UPDATE looks at keys row by row, unless the key waits for the commit: so
 * rows that pass keys to one another are written anew.
 */
export function movePlan(
  table: TableShape,
  { passesKeys }: { readonly passesKeys: boolean },
): PlannedStatement[] {
  const { primaryKey } = table;
  const fixed = primaryKey.filter(({ identity }) => identity === 'always');
  if (fixed.length === 0 && (!passesKeys || table.keyDeferrable)) {
    return [{ text: moveStatement(table) }];
  }
  return table.deleteHasEffects
    ? [
        {
          text: refuseMoveStatement(table),
          refusal: (): ReplicatorError =>
            fixed.length > 0
              ? identityRefusal(table, fixed)
              : passingRefusal(table),
        },
      ]
    : [{ text: rewriteKeysStatement(table) }];
}

function moveStatement(table: TableShape): string {
  const { primaryKey } = table;
  const assignments = primaryKey.flatMap((column, index) =>
    column.generated
      ? []
      : [
          `${quoteIdentifier(column.name)} = ${valueExpression(column, primaryKey.length + index)}`,
        ],
  );
  return [
    `update ${tableName(table)} as t set ${assignments.join(', ')}`,
    `from ${rowSource([...primaryKey, ...primaryKey])}`,
    `where ${oldKeyMatch(table)}`,
  ].join('\n');
}

/**
 * Rows go and come back in one statement, at whose end foreign keys without
 * action look. The sort makes every delete come before the first insert.
 */
function rewriteKeysStatement(table: TableShape): string {
  const { primaryKey } = table;
  const kept = table.columns.filter(({ generated }) => !generated);
  const both = [...primaryKey, ...primaryKey];
  const values = kept.map((column) => {
    const place = primaryKey.indexOf(column);
    return place < 0
      ? `t.${quoteIdentifier(column.name)}`
      : `v.c${primaryKey.length + place + 1}`;
  });
  return [
    `with v (${both.map((_, index) => `c${index + 1}`).join(', ')}) as materialized (`,
    `  select ${valueList(both)}`,
    `  from ${rowSource(both)}`,
    '),',
    `gone (${nameList(kept)}) as (`,
    `  delete from ${tableName(table)} as t using v`,
    `  where ${primaryKey
      .map(
        ({ name, keyOperator = '=' }, index) =>
          `t.${quoteIdentifier(name)} ${keyOperator} v.c${index + 1}`,
      )
      .join(' and ')}`,
    `  returning ${values.join(', ')}`,
    ')',
    insertInto(table, kept),
    `select ${nameList(kept)} from gone order by ${nameList(primaryKey.filter((column) => kept.includes(column)))}`,
  ].join('\n');
}

/** Divides by zero when a row would have to be rewritten. */
function refuseMoveStatement(table: TableShape): string {
  return [
    'select 1 / (count(*) = 0)::pg_catalog.int4',
    `from ${tableName(table)} as t, ${rowSource([...table.primaryKey, ...table.primaryKey])}`,
    `where ${oldKeyMatch(table)}`,
  ].join('\n');
}

/**
 * A condition: no foreign key carries changes of other columns than the
 * primary key's to rows that refer to them. What follows into null does not
 * follow back.
 */
export function unlessFollowed(table: TableShape): string {
  const name = tableName({ ...table, hasInheritors: false });
  return [
    'and not exists (',
    '  select from pg_catalog.pg_constraint as k',
    `  where k.contype = 'f' and k.confrelid = '${name.replaceAll("'", "''")}'::pg_catalog.regclass`,
    "    and k.confupdtype not in ('a', 'r') and not exists (",
    '      select from pg_catalog.pg_index as i',
    '      where i.indrelid = k.confrelid and i.indisprimary and i.indexrelid = k.conindid',
    '    )',
    ')',
  ].join('\n');
}

function oldKeyMatch({ primaryKey }: TableShape): string {
  return primaryKey
    .map(
      (column, index) =>
        `t.${quoteIdentifier(column.name)} ${column.keyOperator ?? '='} ${valueExpression(column, index)}`,
    )
    .join(' and ');
}

/**
 * TRUNCATE is quick, and refused more often than deleting is: without its
 * privilege, where foreign keys end that no row uses, behind rows whose
 * triggers wait for the commit. There the rows are deleted, children first,
 * and the counters of identity columns go on.
 *
 * One statement with a savepoint of its own, so that others may be under way
 * behind it. A reader whose snapshot is older finds the tables empty.
 */
export function truncateStatement(
  tables: readonly TableShape[],
  restartIdentity: boolean,
): string {
  const names = tables.map(tableName);
  const body = [
    'begin',
    `  truncate table ${names.join(', ')} ${restartIdentity ? 'restart' : 'continue'} identity;`,
    'exception when insufficient_privilege or feature_not_supported or object_in_use then',
    ...names.map((name) => `  delete from ${name};`),
    'end',
  ].join('\n');
  let tag = '$body$';
  while (body.includes(tag)) {
    tag = tag.replace('b', 'bb');
  }
  return `do ${tag}\n${body}\n${tag}`;
}
