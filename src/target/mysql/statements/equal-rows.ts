/**
 * How rows of a table without a primary key are found: nothing names one of
 * several equal rows, so that each kind is deleted with a limit. Where that
 * reads the whole table each time, all are found by one look at it
 * (joined-equal-rows.ts).
 */
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import { codecOf, comparesLoosely } from '../values/codec.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { deleteJoined, type EqualRows } from './joined-equal-rows.ts';
import { keyLiteral } from './key-statements.ts';
import { quoteIdentifier, quoteTable, quoteText } from '../catalog/quoting.ts';
import { literalTexts } from '../values/row-encoding.ts';
import { fromTransport } from '../values/row-source.ts';
import { inCharset, sameBytes } from './statements.ts';

export function equalRows(
  rows: ShapeRows,
  policies: ValuePolicies,
): EqualRows[] {
  const { table, columns, rowCount } = rows;
  const texts = columns.map((_, place) => literalTexts(rows, place, policies));
  const kinds = new Map<string, { row: number; count: number }>();
  for (let row = 0; row < rowCount; row++) {
    const condition = equalCondition(
      table,
      columns,
      texts.map((column) => column[row]!),
    );
    const kind = kinds.get(condition);
    if (kind) {
      kind.count += 1;
    } else {
      kinds.set(condition, { row, count: 1 });
    }
  }
  return [...kinds].map(([condition, { row, count }]) => ({
    statement: `delete from ${quoteTable(table)} where ${condition} limit ${count}`,
    row,
    count,
  }));
}

/** NULL equals NULL. Texts are found by their collation and compared by their bytes. */
function equalCondition(
  table: TableShape,
  columns: readonly ColumnShape[],
  texts: readonly (string | null)[],
): string {
  return columns
    .flatMap((column, place) => {
      const own = `${quoteTable(table)}.${quoteIdentifier(column.name)}`;
      const text = texts[place]!;
      if (text === null) {
        return [`${own} is null`];
      }
      const literal = literalOf(column, text);
      const equal = `${own} <=> ${literal}`;
      return comparesLoosely(column)
        ? [equal, sameBytes(own, inCharset(column, literal))]
        : [equal];
    })
    .join(' and ');
}

function literalOf(column: ColumnShape, text: string): string {
  const codec = codecOf(column);
  if (codec.kind === 'geometry') {
    return fromTransport(column, quoteText(text));
  }
  return codec.kind === 'json' && !codec.isText
    ? `cast(${quoteText(text)} as json)`
    : keyLiteral(column, text);
}

/** A statement may read the whole table: then no other joins it in one call. */
const quickMs = 20;
const mostStatements = 64;
const mostCharacters = 256 * 1024;
/** So many looks at the whole table cost more than those of a join. */
const fewKinds = 8;

export async function deleteEqualRows(
  connection: MysqlConnection,
  rows: ShapeRows,
  kinds: readonly EqualRows[],
  options: {
    readonly policies: ValuePolicies;
    /** Of more kinds all are found at once; undefined: where each takes long. */
    readonly fewRows: number | undefined;
  },
): Promise<void> {
  const { policies, fewRows } = options;
  let mayJoin = true;
  let left = kinds;
  if (fewRows !== undefined) {
    mayJoin = false;
    if (kinds.length > fewRows) {
      left = await deleteJoined(connection, rows, kinds, policies);
    }
  }
  let groupSize = 1;
  while (left.length > 0) {
    const group = firstStatements(left, groupSize);
    const startedAtMs = performance.now();
    await connection.query(group.join(';\n'));
    const isQuick = performance.now() - startedAtMs < quickMs;
    left = left.slice(group.length);
    if (!isQuick && groupSize === 1 && mayJoin && left.length > fewKinds) {
      left = await deleteJoined(connection, rows, left, policies);
      mayJoin = false;
    }
    groupSize = isQuick ? Math.min(mostStatements, groupSize * 2) : 1;
  }
}

function firstStatements(
  kinds: readonly EqualRows[],
  mostCount: number,
): string[] {
  const statements: string[] = [];
  let length = 0;
  for (const { statement } of kinds) {
    length += statement.length;
    if (
      statements.length === mostCount ||
      (statements.length > 0 && length > mostCharacters)
    ) {
      break;
    }
    statements.push(statement);
  }
  return statements;
}
