/** The SQL that finds rows by keys that stand in the statement as literals. */
import type { ColumnShape, TableReference, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import { quoteIdentifier, quoteTable, quoteText } from '../catalog/quoting.ts';
import { inCharset, selfReferences, untouched } from './statements.ts';

/**
 * Keys as literals: `(a, b) in ((1, 'x'), …)`. Names stand with their table's,
 * which another alias may be joined to.
 */
export function keyCondition(
  table: TableShape,
  texts: readonly (readonly (string | null)[])[],
): string {
  const { primaryKey } = table;
  const folding = primaryKey.some((column) => codecOf(column).folds);
  const rows = texts[0]!.map((_, row) =>
    primaryKey.map((column, place) => keyLiteral(column, texts[place]![row]!)),
  );
  const names = primaryKey.map(
    ({ name }) => `${quoteTable(table)}.${quoteIdentifier(name)}`,
  );
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
        return codecOf(column).folds
          ? `cast(${inCharset(column, literal)} as binary)`
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

export function keyLiteral(column: ColumnShape, text: string | null): string {
  if (text === null) {
    return 'null';
  }
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'integer':
      return text;
    case 'float':
      // It is compared as a double.
      return codec.bits === 32 ? String(Math.fround(Number(text))) : text;
    case 'decimal':
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
    .concat(untouched(table, names, ''))
    .join(', ')} where ${condition}`;
}

/** Of the keys, those rows to which no row refers by one of the foreign keys. */
export function deleteUnreferredStatement(
  table: TableShape,
  references: readonly TableReference[],
  condition: string,
): string {
  const name = quoteTable(table);
  const joins = references.map(({ child, key }, place) => {
    const matches = key.columns.map(
      (column, index) =>
        `c${place}.${quoteIdentifier(column)} = ${name}.${quoteIdentifier(key.parentColumns[index]!)}`,
    );
    if (child === table) {
      const isSame = table.primaryKey.map(
        (column) =>
          `c${place}.${quoteIdentifier(column.name)} = ${name}.${quoteIdentifier(column.name)}`,
      );
      matches.push(`not (${isSame.join(' and ')})`);
    }
    return `left join ${quoteTable(child)} as c${place} on ${matches.join(' and ')}`;
  });
  const unreferred = references.map(
    ({ key }, place) => `c${place}.${quoteIdentifier(key.columns[0]!)} is null`,
  );
  return [
    `delete ${name} from ${name} force index (primary)`,
    ...joins,
    `where ${[condition, ...unreferred].join(' and ')}`,
  ].join('\n');
}

/**
 * Of the keys, those rows to which no row of the table refers; with
 * `ownChildren`, none but they themselves. Both sides by their indexes: a
 * subquery would be read, and locked, as a whole.
 */
export function deleteLeavesStatement(
  table: TableShape,
  condition: string,
  ownChildren: boolean,
): string {
  const name = quoteTable(table);
  const first = quoteIdentifier(table.primaryKey[0]!.name);
  const references = selfReferences(table);
  const joins = references.map(({ columns, parentColumns }, place) => {
    const matches = columns.map(
      (column, index) =>
        `c${place}.${quoteIdentifier(column)} = ${name}.${quoteIdentifier(parentColumns[index]!)}`,
    );
    const isSame = table.primaryKey.map(
      (column) =>
        `c${place}.${quoteIdentifier(column.name)} = ${name}.${quoteIdentifier(column.name)}`,
    );
    if (ownChildren) {
      matches.push(`not (${isSame.join(' and ')})`);
    }
    return `left join ${name} as c${place} on ${matches.join(' and ')}`;
  });
  const childless = references.map((_, place) => `c${place}.${first} is null`);
  return [
    `delete ${name} from ${name} force index (primary)`,
    ...joins,
    `where ${[condition, ...childless].join(' and ')}`,
  ].join('\n');
}
