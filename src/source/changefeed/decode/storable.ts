/**
 * Characters that JSON can spell and not every target can store: NUL, and
 * halves of surrogate pairs, which none can. They pass the UTF-8 check only
 * where escapes spell them.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape, TableShape } from '../../../target/target.ts';
import { columnValues, type RowLayout } from './columns.ts';

type Unstorable = 'nul' | 'surrogate';

/** False for nearly every request: then none of its rows need be searched. */
export function mayBeUnstorable(request: string): boolean {
  return request.includes('\\u') && /\\u(?:0000|[dD][89a-fA-F])/.test(request);
}

type TakesNul = (table: TableShape, column: ColumnShape) => boolean;

/** Throws E1003 or E1027 for a value that would go into a column. */
export function refuseUnstorable(
  layout: RowLayout,
  after: JsonText,
  takesNul: TakesNul,
): void {
  const { table } = layout;
  for (const { column, name, value } of columnValues(layout, after)) {
    if (column?.generated === false) {
      const found = unstorable(value, takesNul(table, column));
      if (found !== null) {
        throw refusal(found, table, `column ${JSON.stringify(name)}`);
      }
    }
  }
}

/** Throws E1003 and E1027, as a key is one text for all its columns. */
export function refuseUnstorableKey(
  table: TableShape,
  key: JsonText,
  takesNul: TakesNul,
): void {
  const found = unstorable(
    key,
    table.primaryKey.every((column) => takesNul(table, column)),
  );
  if (found !== null) {
    throw refusal(found, table, 'the key');
  }
}

function refusal(
  found: Unstorable,
  table: TableShape,
  place: string,
): ReplicatorError {
  const what =
    found === 'nul' ? 'the character NUL' : 'half of a surrogate pair';
  return new ReplicatorError(found === 'nul' ? 'E1003' : 'E1027', {
    detail: `${place} of table ${JSON.stringify(table.name)} holds ${what}, which the target cannot store`,
  });
}

function unstorable(token: string, takesNul: boolean): Unstorable | null {
  const pattern = /\\(?:u([0-9a-fA-F]{4})|[^u])/g;
  let match: RegExpExecArray | null;
  let openHighEnd = -1;
  while ((match = pattern.exec(token)) !== null) {
    const code = match[1] === undefined ? -1 : Number.parseInt(match[1], 16);
    const isLow = code >= 0xdc00 && code <= 0xdfff;
    if (openHighEnd >= 0 && !(isLow && openHighEnd === match.index)) {
      return 'surrogate';
    }
    if (isLow && openHighEnd < 0) {
      return 'surrogate';
    }
    if (code === 0 && !takesNul) {
      return 'nul';
    }
    openHighEnd = code >= 0xd800 && code <= 0xdbff ? pattern.lastIndex : -1;
  }
  return openHighEnd >= 0 ? 'surrogate' : null;
}
