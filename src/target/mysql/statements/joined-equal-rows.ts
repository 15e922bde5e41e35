/**
 * Rows of a table without a key that are deleted all at once: they lie in a
 * temporary table, and the target's table is read twice, however many they
 * are: 1000 rows of 100 000 take 1 to 2 s instead of 40 to 55.
 *
 *     collect    one row of each kind, its number, a hash of its values
 *     count      how many rows of the table are of each kind
 *     delete     all of each kind, where there are no more than are to go
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import { quoteIdentifier, quoteTable } from '../catalog/quoting.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { codecOf, comparesLoosely, type MysqlCodec } from '../values/codec.ts';
import { jsonSource } from '../values/row-source.ts';
import { ensureTemporary, temporaryName } from './session-tables.ts';
import { nameList, selfReferences } from './statements.ts';
import { createTemporaryStatement } from './temporary-tables.ts';
import { eachPacket } from './write-rows.ts';
import { textValues } from '../../row-values.ts';

/** Rows that are equal. */
export interface EqualRows {
  /** Deletes as many as there are. */
  readonly statement: string;
  /** Where one of them stands. */
  readonly row: number;
  count: number;
}

/** Answers those that are left to be deleted each by itself. */
export async function deleteJoined(
  connection: MysqlConnection,
  rows: ShapeRows,
  kinds: readonly EqualRows[],
  policies: ValuePolicies,
): Promise<readonly EqualRows[]> {
  const { table, columns } = rows;
  const kindTable = kindTableOf(table, columns);
  if (
    table.deleteHasEffects ||
    selfReferences(table).length > 0 ||
    !columns.some(isHashed)
  ) {
    return kinds;
  }
  const name = temporaryName(table, columns, 'equal');
  const isThere = await ensureTemporary(connection, name, () =>
    createTemporaryStatement(
      name,
      kindTable.table,
      kindTable.table.columns,
      false,
    ),
  );
  if (!isThere) {
    return kinds;
  }
  await collect(connection, name, kindTable, { rows, kinds, policies });
  const left = await deleteKinds(connection, name, kindTable, kinds);
  await connection.query(`delete from ${name}`);
  return left;
}

/** The table of the kinds: the columns of the rows, and two of its own. */
interface KindTable {
  readonly target: TableShape;
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  readonly hash: ColumnShape;
  readonly number: ColumnShape;
}

export function kindTableOf(
  target: TableShape,
  columns: readonly ColumnShape[],
): KindTable {
  let prefix = 'kind_';
  while (columns.some(({ name }) => name.startsWith(prefix))) {
    prefix = `_${prefix}`;
  }
  const own = (name: string, keyOrdinal: number): ColumnShape => ({
    name: `${prefix}${name}`,
    type: ownCodec.definition,
    codec: ownCodec,
    keyOrdinal,
    nullable: false,
    hasDefault: false,
    generated: false,
    identity: null,
  });
  const hash = own('hash', 0);
  const number = own('number', 1);
  const table: TableShape = {
    ...target,
    columns: [...columns, hash, number],
    primaryKey: [hash, number],
  };
  return { target, table, columns, hash, number };
}

const ownCodec: MysqlCodec = {
  kind: 'integer',
  definition: 'int unsigned',
  min: '0',
  max: '4294967295',
};

async function collect(
  connection: MysqlConnection,
  name: string,
  kindTable: KindTable,
  parts: {
    readonly rows: ShapeRows;
    readonly kinds: readonly EqualRows[];
    readonly policies: ValuePolicies;
  },
): Promise<void> {
  const { rows, kinds, policies } = parts;
  const picked: ShapeRows = {
    table: kindTable.table,
    columns: [...kindTable.columns, kindTable.hash, kindTable.number],
    values: textValues(
      [
        ...rows.values.texts.map((tokens) =>
          kinds.map(({ row }) => tokens[row]!),
        ),
        kinds.map(() => '0' as JsonText),
        kinds.map((_, index) => String(index) as JsonText),
      ],
      kinds.length,
    ),
    rowCount: kinds.length,
  };
  const source = jsonSource(picked.table, picked.columns);
  const insert = [
    `insert into ${name} (${nameList(picked.columns)})`,
    `select ${picked.columns.map((column) => source.value(column)).join(', ')}`,
    `from ${source.from}`,
  ].join('\n');
  await eachPacket(connection, picked, policies, async (_, json) => {
    await connection.execute(insert, [json]);
  });
  await connection.query(hashStatement(name, kindTable));
}

export function hashStatement(name: string, kindTable: KindTable): string {
  return `update ${name} as v set ${own('v', kindTable.hash)} = ${hashOf('v', kindTable.columns)}`;
}

async function deleteKinds(
  connection: MysqlConnection,
  name: string,
  kindTable: KindTable,
  kinds: readonly EqualRows[],
): Promise<readonly EqualRows[]> {
  const { rows: found } = await connection.query(
    countStatement(name, kindTable),
  );
  const left: EqualRows[] = [];
  const kept: number[] = [];
  let goingCount = 0;
  for (const { found_number: number, found_count: count } of found) {
    const kind = kinds[Number(number)]!;
    if (Number(count) > kind.count) {
      left.push(kind);
      kept.push(Number(number));
    } else {
      goingCount += Number(count);
    }
  }
  if (goingCount === 0) {
    return left;
  }
  if (kept.length > 0) {
    await connection.query(
      `delete from ${name} where ${quoteIdentifier(kindTable.number.name)} in (${kept.join(', ')})`,
    );
  }
  const { affectedRows } = await connection.query(
    deleteKindsStatement(name, kindTable),
  );
  // Fewer: a row is of two kinds that are written otherwise, 100 and 1e2.
  if (affectedRows > goingCount) {
    throw new ReplicatorError('E4003', {
      detail: `rows of table ${kindTable.target.schema}.${kindTable.target.name} were written by somebody else while equal ones were deleted`,
    });
  }
  return left;
}

export function countStatement(name: string, kindTable: KindTable): string {
  const number = own('v', kindTable.number);
  return [
    `select ${number} as found_number, count(*) as found_count`,
    joined(name, kindTable),
    `group by ${number}`,
  ].join('\n');
}

export function deleteKindsStatement(
  name: string,
  kindTable: KindTable,
): string {
  return `delete t ${joined(name, kindTable)}`;
}

/** The target's table is read from its beginning to its end, and no other. */
function joined(name: string, kindTable: KindTable): string {
  const { target, columns, hash } = kindTable;
  const conditions = [
    `${own('v', hash)} = ${hashOf('t', columns)}`,
    ...columns.map(sameValue),
  ];
  return [
    `from ${quoteTable(target)} as t`,
    `straight_join ${name} as v force index (primary)`,
    `on ${conditions.join('\nand ')}`,
  ].join('\n');
}

/** Null equals null. */
function sameValue(column: ColumnShape): string {
  const codec = codecOf(column);
  const given =
    codec.kind === 'json' && !codec.isText
      ? `cast(${own('v', column)} as json)`
      : own('v', column);
  const there = own('t', column);
  return comparesLoosely(column)
    ? `cast(${there} as binary) <=> cast(${given} as binary)`
    : `${there} <=> ${given}`;
}

/** Only narrows down: what is equal has the same hash. */
function hashOf(alias: string, columns: readonly ColumnShape[]): string {
  const parts = columns
    .filter(isHashed)
    .map((column) => `left(cast(${own(alias, column)} as binary), 64)`);
  return `crc32(concat_ws('|', ${parts.join(', ')}))`;
}

/** Equal values of the type are written alike. */
function isHashed(column: ColumnShape): boolean {
  return [
    'integer',
    'decimal',
    'date',
    'datetime',
    'time',
    'text',
    'enum',
    'binary',
  ].includes(codecOf(column).kind);
}

function own(alias: string, { name }: ColumnShape): string {
  return `${alias}.${quoteIdentifier(name)}`;
}
