/** What the rows of a request must come to, worked out on parsed objects. */
import assert from 'node:assert/strict';
import { schemaNameParts } from '../../../src/mutation/schema-name.ts';
import { parseTimestamp } from '../../../src/mutation/timestamp.ts';
import type {
  DecodeContext,
  DecodedRows,
} from '../../../src/source/changefeed/decode/decode-context.ts';
import type { SchemaShape, TableShape } from '../../../src/target/target.ts';
import {
  exactText,
  type JsonValue,
  parsedJson,
  type ParsedObject,
  valueText,
} from './parsed-json.ts';

interface ExpectedRow {
  readonly table: string;
  readonly time: string;
  /** Null for a delete. */
  readonly after: string | null;
  /** Elements in any order: which is which may be known from other rows. */
  readonly key: string;
}

/** Every row of the request is in the outcome, as it was, and nothing else. */
export function checkRows(
  outcome: DecodedRows,
  payload: readonly JsonValue[],
  context: DecodeContext,
  table: string | null,
): void {
  const { rowCount, ignoredRowCount, phantomDeleteCount } = outcome;
  assert.equal(
    rowCount + ignoredRowCount + phantomDeleteCount,
    payload.length,
    'rows are missing, or too many',
  );
  const expected = payload
    .map((row) => expectedRow(row, context, table))
    .filter((row) => row !== null);
  const found = outcome.tables.flatMap(({ table: name, mutations }) =>
    mutations.map(({ time, key, after }): ExpectedRow => ({
      table: name,
      time,
      after: after === null ? null : exactText(parsedJson(after)!),
      key: keyText(parsedJson(key) as JsonValue[]),
    })),
  );
  assert.equal(found.length, rowCount);
  // Within a table they keep their order; tables come one by one.
  const names = [...new Set(found.map((row) => row.table))];
  assert.deepEqual(
    found,
    names.flatMap((name) => expected.filter((row) => row.table === name)),
  );
  assert.equal(expected.length, found.length);
}

export function checkResolved(time: string, body: ParsedObject): void {
  const texts = ['payload', '__crdb__', null].map((outer) => {
    const object = outer === null ? body : body.get(outer);
    return object instanceof Map ? object.get('resolved') : undefined;
  });
  assert.ok(
    texts.some(
      (text) => typeof text === 'string' && parseTimestamp(text) === time,
    ),
    'a resolved timestamp that the body does not hold',
  );
}

/**
 * Whether the request is so plain that it must be accepted: wrapped rows of
 * `orders`, every field as it should be, no value that may be unstorable.
 */
export function isPlainRequest(
  body: JsonValue,
  { table, latest }: DecodeContext,
): boolean {
  if (!(body instanceof Map) || table !== null || latest !== undefined) {
    return false;
  }
  const payload = body.get('payload');
  return (
    Array.isArray(payload) &&
    payload.length > 0 &&
    [...body.keys()].join() === 'payload' &&
    payload.every((row) => isPlainRow(row))
  );
}

function isPlainRow(row: JsonValue): boolean {
  if (
    !(row instanceof Map) ||
    [...row.keys()].toSorted().join() !== 'after,key,topic,updated'
  ) {
    return false;
  }
  const after = row.get('after')!;
  const updated = row.get('updated')!;
  const key = row.get('key')!;
  const id = after instanceof Map ? after.get('id') : undefined;
  return (
    after instanceof Map &&
    id !== undefined &&
    id !== null &&
    [...after.keys()].every((name) =>
      ['id', 'amount', 'note'].includes(name),
    ) &&
    !/\\u0000|\\ud[89a-f]/i.test(exactText(after)) &&
    Array.isArray(key) &&
    key.length === 1 &&
    valueText(key[0]!) === valueText(id) &&
    row.get('topic') === 'orders' &&
    typeof updated === 'string' &&
    parseTimestamp(updated) !== null
  );
}

/** Null for a row that may be left out. */
function expectedRow(
  row: JsonValue,
  { shape, onUnknown }: DecodeContext,
  fixed: string | null,
): ExpectedRow | null {
  assert.ok(row instanceof Map, 'a row that is no object was taken');
  const fields = fieldsOf(row, shape, fixed);
  const table = fixed ?? tableOf(fields.get('topic'), shape);
  if (table === null) {
    assert.equal(onUnknown, 'ignore');
    return null;
  }
  const columns = shape.tables.get(table)!;
  const after = fields.get('after');
  const before = fields.get('before');
  const key = fields.get('key');
  if (
    !(after instanceof Map) &&
    !(before instanceof Map) &&
    key === undefined
  ) {
    assert.ok(fixed !== null, 'a row without a key was taken');
    return null;
  }
  const known =
    after instanceof Map ? knownColumns(after, columns, onUnknown) : null;
  return {
    table,
    time: timeOf(fields),
    after: known === null ? null : exactText(known),
    key: expectedKey({ known, before, key }, columns),
  };
}

/** The fields of a wrapped row, whatever the envelope. */
function fieldsOf(
  row: ParsedObject,
  shape: SchemaShape,
  fixed: string | null,
): ParsedObject {
  const metadata = row.get('__crdb__');
  if (metadata === undefined) {
    const payload = row.get('payload');
    return !row.has('after') && payload instanceof Map
      ? new Map([...row, ...payload])
      : row;
  }
  const inner = metadata instanceof Map ? metadata : new Map();
  const topic = inner.has('topic') ? inner.get('topic') : row.get('topic');
  const table = fixed ?? tableOf(topic, shape);
  const isColumn = (name: string): boolean =>
    (name !== 'key' && name !== 'topic') ||
    inner.has(name) ||
    (table !== null && columnOf(shape.tables.get(table)!, name) !== null);
  // `key` and `topic` come last among columns.
  const names = [...row.keys()].filter((name) => name !== '__crdb__');
  const columns = [
    ...names.filter((name) => name !== 'key' && name !== 'topic'),
    ...names.filter((name) => name === 'key' || name === 'topic'),
  ].filter(isColumn);
  const fields: ParsedObject = new Map(
    ['key', 'topic', 'updated'].flatMap((name) => {
      const value = inner.has(name)
        ? inner.get(name)
        : name === 'updated' || isColumn(name)
          ? undefined
          : row.get(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  return fields.set(
    'after',
    columns.length === 0
      ? null
      : new Map(columns.map((name) => [name, row.get(name)!])),
  );
}

function timeOf(fields: ParsedObject): string {
  const updated = fields.get('updated') ?? null;
  const source = fields.get('source');
  const text =
    updated !== null || !(source instanceof Map)
      ? updated
      : source.get('ts_hlc');
  assert.ok(typeof text === 'string', 'a row without a time was taken');
  return parseTimestamp(text) ?? assert.fail('a time that is none was taken');
}

/** The table of a topic; null where there is none of that name. */
function tableOf(
  topic: JsonValue | undefined,
  shape: SchemaShape,
): string | null {
  assert.ok(typeof topic === 'string', 'a row without a topic was taken');
  const names = [...shape.tables.keys()];
  const parts = topic.split('.').map((part) => part.replaceAll('"', ''));
  const last = parts.at(-1)!.toLowerCase();
  assert.ok(schemaNameParts(shape.name).length === 2);
  return names.find((name) => name === last) ?? null;
}

function columnOf(table: TableShape, name: string): string | null {
  return (
    table.columns.find((column) => column.name === name)?.name ??
    table.columns.find(
      (column) => column.name.toLowerCase() === name.toLowerCase(),
    )?.name ??
    null
  );
}

/** The row by the target's names; unknown ones are only there to be ignored. */
function knownColumns(
  row: ParsedObject,
  table: TableShape,
  onUnknown: 'refuse' | 'ignore',
): ParsedObject {
  const names = [...row.keys()];
  const known: ParsedObject = new Map();
  for (const [name, value] of row) {
    const column = columnOf(table, name);
    const rivals = names.filter((other) => columnOf(table, other) === column);
    if (column !== null && (rivals.length === 1 || column === name)) {
      known.set(column, value);
    } else {
      assert.equal(onUnknown, 'ignore', 'an unknown column was taken');
    }
  }
  return known;
}

function expectedKey(
  row: {
    readonly known: ParsedObject | null;
    readonly before: JsonValue | undefined;
    readonly key: JsonValue | undefined;
  },
  table: TableShape,
): string {
  const images = [
    row.known,
    row.before instanceof Map
      ? knownColumns(row.before, table, 'ignore')
      : null,
    row.key instanceof Map ? keyObject(row.key, table) : null,
  ];
  for (const image of images) {
    const elements = table.primaryKey.map(({ name }) => image?.get(name));
    if (elements.every((element) => element !== undefined)) {
      assert.ok(!elements.includes(null), 'a key with null was taken');
      return keyText(elements);
    }
  }
  assert.ok(Array.isArray(row.key), 'a row without a key was taken');
  assert.equal(row.key.length, table.primaryKey.length);
  return keyText(row.key);
}

function keyObject(key: ParsedObject, table: TableShape): ParsedObject {
  const payload = key.get('payload');
  return knownColumns(payload instanceof Map ? payload : key, table, 'ignore');
}

function keyText(elements: readonly JsonValue[]): string {
  return elements.map(valueText).toSorted().join();
}
