/** The SQL that finds rows by keys that stand in the statement as literals. */
import type { ColumnShape, TableShape } from '../target.ts';
import { codecOf } from './codec.ts';
import { quoteIdentifier, quoteTable, quoteText } from './quoting.ts';
import { selfReferences } from './statements.ts';

/** Keys as literals: `(a, b) in ((1, 'x'), …)`. */
export function keyCondition(
  table: TableShape,
  texts: readonly (readonly (string | null)[])[],
): string {
  const { primaryKey } = table;
  const folding = primaryKey.some((column) => codecOf(column).folds);
  const rows = texts[0]!.map((_, row) =>
    primaryKey.map((column, place) => keyLiteral(column, texts[place]![row]!)),
  );
  const names = primaryKey.map(({ name }) => quoteIdentifier(name));
  const condition = inList(names, rows);
  if (!folding) {
    return condition;
  }
  return `${condition} and ${inList(
    primaryKey.map((column, place) =>
      codecOf(column).folds ? `cast(${names[place]} as binary)` : names[place]!,
    ),
    rows.map((row) =>
      row.map((literal, place) => {
        const column = primaryKey[place]!;
        const charset = / character set (\w+) /.exec(
          codecOf(column).definition,
        )?.[1];
        return codecOf(column).folds
          ? `cast(convert(${literal} using ${charset}) as binary)`
          : literal;
      }),
    ),
  )}`;
}

function inList(
  names: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  return names.length === 1
    ? `${names[0]} in (${rows.map(([only]) => only).join(', ')})`
    : `(${names.join(', ')}) in (${rows.map((row) => `(${row.join(', ')})`).join(', ')})`;
}

function keyLiteral(column: ColumnShape, text: string | null): string {
  if (text === null) {
    return 'null';
  }
  switch (codecOf(column).kind) {
    case 'integer':
      return text;
    case 'decimal':
    case 'float':
      return /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)
        ? text
        : quoteText(text);
    case 'bit':
      return String(BigInt(`0x${text}`));
    case 'binary':
      return `x'${text}'`;
    case 'text':
    case 'enum':
    case 'set':
    case 'json':
    case 'date':
    case 'datetime':
    case 'time':
    case 'geometry':
    case 'other':
      return quoteText(text);
  }
}

export function deleteStatement(table: TableShape, condition: string): string {
  return `delete from ${quoteTable(table)} where ${condition}`;
}

export function setNullStatement(
  table: TableShape,
  names: readonly string[],
  condition: string,
): string {
  return `update ${quoteTable(table)} set ${names
    .map((name) => `${quoteIdentifier(name)} = null`)
    .join(', ')} where ${condition}`;
}

/**
 * Of the keys, those rows to which no row of the table refers; with
 * `ownChildren`, none but they themselves.
 */
export function deleteLeavesStatement(
  table: TableShape,
  condition: string,
  ownChildren: boolean,
): string {
  const referred = selfReferences(table).map(({ columns, parentColumns }) => {
    const matches = columns.map(
      (name, index) =>
        `c.${quoteIdentifier(name)} = t.${quoteIdentifier(parentColumns[index]!)}`,
    );
    const isSame = table.primaryKey.map(
      ({ name }) => `c.${quoteIdentifier(name)} = t.${quoteIdentifier(name)}`,
    );
    if (ownChildren) {
      matches.push(`not (${isSame.join(' and ')})`);
    }
    return `not exists (select 1 from (select * from ${quoteTable(table)}) as c where ${matches.join(' and ')})`;
  });
  return `delete t from ${quoteTable(table)} as t where ${[condition, ...referred].join(' and ')}`;
}
