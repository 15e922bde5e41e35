/**
 * The key of a row, as the several envelopes give it: by name among the
 * columns, as the source's array, or as an object. Elements are canonical.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { canonicalValue } from '../../../mutation/canonical-key.ts';
import {
  arrayElements,
  jsonKind,
  jsonString,
  memberValue,
} from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { TableShape } from '../../../target/target.ts';
import { resolveColumn } from '../../column-names.ts';
import { type RowLayout, type RowScan, scanRow } from './columns.ts';

/** More than any database has; an array may be as long as a request. */
const maxKeyColumns = 1_000;

/** Of elements that are canonical already. */
export function keyText(elements: readonly JsonText[]): JsonText {
  return (
    elements.length === 1 ? `[${elements[0]}]` : `[${elements.join(',')}]`
  ) as JsonText;
}

/**
 * The key in the target's order from the row just scanned; null when the row
 * does not carry all key columns.
 */
export function namedKey(
  { keyStart, keyEnd }: RowScan,
  table: TableShape,
  text: string,
): JsonText[] | null {
  const elements: JsonText[] = [];
  for (let at = 0; at < table.primaryKey.length; at += 1) {
    const start = keyStart[at]!;
    if (start < 0) {
      return null;
    }
    if (text.charCodeAt(start) === 0x6e) {
      throw new ReplicatorError('E1017', {
        detail: `a row of table ${JSON.stringify(table.name)} has null in key column ${JSON.stringify(table.primaryKey[at]!.name)}`,
      });
    }
    elements.push(canonicalValue(text.slice(start, keyEnd[at]) as JsonText));
  }
  return elements;
}

/** The key in the source's order from its array. */
export function sourceKey(table: TableShape, key: JsonText): JsonText[] {
  const elements = arrayElements(key, maxKeyColumns);
  if (elements.length !== table.primaryKey.length) {
    throw new ReplicatorError('E1017', {
      detail: `the key of table ${JSON.stringify(table.name)} has ${elements.length} columns at the source and ${table.primaryKey.length} at the target (${keyColumns(table)})`,
      remedy:
        'give the target table the same primary key columns as the source table; where the source hashes the key (USING HASH) or is REGIONAL BY ROW, feed the table by a CDC query with diff, whose path names it (/database/schema/table)',
    });
  }
  for (let at = 0; at < elements.length; at += 1) {
    const element = elements[at]!;
    if (element.charCodeAt(0) === 0x6e) {
      throw new ReplicatorError('E1017', {
        detail: `a row of table ${JSON.stringify(table.name)} has null in its key`,
      });
    }
    elements[at] = canonicalValue(element);
  }
  return elements;
}

/** Enriched: the key is an object, which names its columns itself. */
export function objectKey(
  scan: RowScan,
  layout: RowLayout,
  key: JsonText,
  fromRow: readonly JsonText[] | null,
): JsonText[] {
  const { table } = layout;
  const payload = memberValue(key, 'payload');
  const isNested =
    payload !== null &&
    jsonKind(payload) === 'object' &&
    resolveColumn(table, 'payload') === null;
  const text = isNested ? payload : key;
  scanRow(scan, layout, text, 0, Infinity);
  const named = namedKey(scan, table, text);
  if (named === null || scan.unknownCount > 0) {
    throw otherColumns(table);
  }
  if (fromRow?.some((element, at) => element !== named[at])) {
    throw new ReplicatorError('E1017', {
      detail: `a row of table ${JSON.stringify(table.name)} has a key that differs from its key columns`,
    });
  }
  return named;
}

/**
 * By target key column, where in the source's key it stands, as the member
 * `primary_keys` of an enriched row's `source` says; null without it.
 */
export function declaredOrder(
  table: TableShape,
  source: JsonText,
): number[] | null {
  const names = memberValue(source, 'primary_keys');
  if (names === null || jsonKind(names) !== 'array') {
    return null;
  }
  const columns = arrayElements(names, maxKeyColumns).map((name) =>
    jsonKind(name) === 'string' ? resolveColumn(table, jsonString(name)) : null,
  );
  const positions = table.primaryKey.map((column) => columns.indexOf(column));
  if (columns.length !== positions.length || positions.includes(-1)) {
    throw otherColumns(table);
  }
  return positions;
}

function otherColumns(table: TableShape): ReplicatorError {
  return new ReplicatorError('E1017', {
    detail: `the key of table ${JSON.stringify(table.name)} has other columns at the source than at the target (${keyColumns(table)})`,
  });
}

function keyColumns(table: TableShape): string {
  return table.primaryKey.map(({ name }) => name).join(', ');
}
