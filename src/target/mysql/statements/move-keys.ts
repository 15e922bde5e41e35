/** How rows get another key: the old ones and the new ones cross as one parameter. */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ColumnarRows } from '../../values/column-texts.ts';
import {
  areCircles,
  passesKeys,
  passingRefusal,
} from '../../apply/passed-keys.ts';
import type { ColumnShape, KeyMoves, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import type { MysqlConnection, ServerFacts } from '../session/driver.ts';
import { quoteIdentifier } from '../catalog/quoting.ts';
import {
  jsonSource,
  type RowSource,
  temporarySource,
} from '../values/row-source.ts';
import { ensureTemporary, temporaryName } from './session-tables.ts';
import {
  deleteCollectedStatement,
  insertCollectedStatements,
  keyedTable,
  keyMatch,
  nameList,
  unnoticed,
  untouched,
  writableColumns,
} from './statements.ts';
import { createTemporaryStatement } from './temporary-tables.ts';
import { isLink } from './upsert-plan.ts';
import { eachPacket } from './write-rows.ts';
import { textValues } from '../../row-values.ts';

/** InnoDB looks at keys row by row: rows that pass theirs on are written anew. */
export async function moveKeys(
  connection: MysqlConnection,
  moves: KeyMoves,
  policies: ValuePolicies,
): Promise<void> {
  if (passesKeys(moves)) {
    await passKeys(connection, moves, policies);
  } else {
    const rows = moveRows(moves);
    await eachPacket(connection, rows, policies, async (_, json) => {
      await connection.execute(moveStatement(rows), [json]);
    });
  }
}

async function passKeys(
  connection: MysqlConnection,
  moves: KeyMoves,
  policies: ValuePolicies,
): Promise<void> {
  const { table, rowCount } = moves;
  const rows = moveRows(moves);
  let standingCount = 0;
  await eachPacket(connection, rows, policies, async (_, json) => {
    const locked = await connection.execute(
      lockRowsStatement(rows, connection.facts),
      [json],
    );
    standingCount += locked.rows.length;
  });
  if (standingCount === 0) {
    return;
  }
  if (table.deleteHasEffects) {
    throw passingRefusal(table);
  }
  const moved = movedTable(table);
  const into = temporaryName(table, moved.columns, 'moved');
  const isThere = await ensureTemporary(connection, into, () =>
    createTemporaryStatement(into, table, moved.columns, false),
  );
  if (!isThere) {
    throw new ReplicatorError('E4013', {
      detail: `rows of table ${table.schema}.${table.name} have passed their keys to one another at the source, for which a temporary table is needed`,
      remedy: 'grant create temporary tables to the account of the target',
    });
  }
  await eachPacket(connection, rows, policies, async (_, json) => {
    await connection.execute(collectMovedStatement(rows, moved, into), [json]);
  });
  const comeBack = standingCount === rowCount && areCircles(moves);
  for (const statement of rewriteMovedStatements(moved, into, { comeBack })) {
    await connection.query(statement);
  }
  await connection.query(`delete from ${into}`);
}

/** A temporary table that holds rows as they shall be, and where they stood. */
interface MovedTable {
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  /** Of the key's columns. */
  readonly origins: readonly ColumnShape[];
}

export function movedTable(table: TableShape): MovedTable {
  let prefix = 'old_';
  while (table.columns.some(({ name }) => name.startsWith(prefix))) {
    prefix = `_${prefix}`;
  }
  const origins = table.primaryKey.map((column, place) => ({
    ...column,
    name: `${prefix}${place + 1}`,
    keyOrdinal: null,
  }));
  const kept = table.columns.filter(
    ({ generated, keyOrdinal }) => !generated || keyOrdinal !== null,
  );
  return { table, columns: [...kept, ...origins], origins };
}

export function collectMovedStatement(
  { table, columns }: ColumnarRows,
  moved: MovedTable,
  into: string,
): string {
  const source = jsonSource(table, columns);
  const values = moved.columns.map((column) => {
    const place = moved.origins.indexOf(column);
    if (place >= 0) {
      return `t.${quoteIdentifier(table.primaryKey[place]!.name)}`;
    }
    return column.keyOrdinal === null
      ? `t.${quoteIdentifier(column.name)}`
      : source.value(columns[table.primaryKey.length + column.keyOrdinal]!);
  });
  return [
    `insert into ${into} (${nameList(moved.columns)})`,
    `select ${values.join(', ')}`,
    ...standingRows(table, source),
  ].join('\n');
}

/** Who refers to a key that does not come back is looked at. */
export function rewriteMovedStatements(
  moved: MovedTable,
  from: string,
  { comeBack }: { readonly comeBack: boolean },
): string[] {
  const { table } = moved;
  const remove = deleteCollectedStatement(table, originSource(moved, from));
  return [
    ...(comeBack ? unnoticed(remove) : [remove]),
    ...insertCollectedStatements(
      table,
      from,
      writableColumns(table).filter(isLink),
    ),
  ];
}

/** Rows are found where they stood. */
function originSource(moved: MovedTable, from: string): RowSource {
  const source = temporarySource(moved.table, from);
  return {
    ...source,
    key: (column) => source.key(moved.origins[column.keyOrdinal!]!),
  };
}

/** What somebody else changed between their copy and their delete would be lost. */
export function lockRowsStatement(
  { table, columns }: ColumnarRows,
  { isMariadb }: Pick<ServerFacts, 'isMariadb'>,
): string {
  return [
    'select 1 as found',
    ...standingRows(table, jsonSource(table, columns)),
    // MySQL cannot lock what JSON_TABLE gives, and MariaDB has no names here.
    isMariadb ? 'for update' : 'for update of t',
  ].join('\n');
}

function standingRows(table: TableShape, source: RowSource): string[] {
  return [
    `from ${source.from}`,
    `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
  ];
}

/** The old keys stand in the key's columns, the new ones in copies of them. */
export function moveRows({
  table,
  from,
  to,
  rowCount,
}: KeyMoves): ColumnarRows {
  const copies = table.primaryKey.map((column) => ({ ...column }));
  return {
    table,
    columns: [...table.primaryKey, ...copies],
    values: textValues([...from, ...to], rowCount),
    rowCount,
  };
}

export function moveStatement({ table, columns }: ColumnarRows): string {
  const source = jsonSource(table, columns);
  const copies = columns.slice(table.primaryKey.length);
  return [
    `update ${source.from}`,
    `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    `set ${[
      ...assignments(copies, source),
      ...untouched(
        table,
        copies.map(({ name }) => name),
        't.',
      ),
    ].join(', ')}`,
  ].join('\n');
}

function assignments(
  copies: readonly ColumnShape[],
  source: RowSource,
): string[] {
  return copies
    .filter(({ generated }) => !generated)
    .map(
      (column) => `t.${quoteIdentifier(column.name)} = ${source.value(column)}`,
    );
}
