/**
 * How rows of a table without a primary key are found: nothing names one of
 * several equal rows, so that each kind is deleted with a limit.
 */
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import { codecOf, comparesLoosely } from '../values/codec.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { keyLiteral } from './key-statements.ts';
import { quoteIdentifier, quoteTable, quoteText } from '../catalog/quoting.ts';
import { literalTexts } from '../values/row-encoding.ts';
import { fromTransport } from '../values/row-source.ts';
import { inCharset, sameBytes } from './statements.ts';

/** One statement for each of the rows that differ. */
export function deleteEqualStatements(
  rows: ShapeRows,
  policies: ValuePolicies,
): string[] {
  const { table, columns, rowCount } = rows;
  const texts = columns.map((_, place) => literalTexts(rows, place, policies));
  const counts = new Map<string, number>();
  for (let row = 0; row < rowCount; row++) {
    const condition = equalCondition(
      table,
      columns,
      texts.map((column) => column[row]!),
    );
    counts.set(condition, (counts.get(condition) ?? 0) + 1);
  }
  return [...counts].map(
    ([condition, count]) =>
      `delete from ${quoteTable(table)} where ${condition} limit ${count}`,
  );
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

export async function runInGroups(
  connection: MysqlConnection,
  statements: readonly string[],
): Promise<void> {
  let groupSize = 1;
  for (let start = 0; start < statements.length;) {
    let end = start + 1;
    let length = statements[start]!.length;
    while (end < Math.min(statements.length, start + groupSize)) {
      length += statements[end]!.length;
      if (length > mostCharacters) {
        break;
      }
      end += 1;
    }
    const startedAtMs = performance.now();
    await connection.query(statements.slice(start, end).join(';\n'));
    groupSize =
      performance.now() - startedAtMs < quickMs
        ? Math.min(mostStatements, groupSize * 2)
        : 1;
    start = end;
  }
}
