import { schemaName } from '../../../../src/mutation/schema-name.ts';
import type { DecodeContext } from '../../../../src/source/changefeed/decode/decode-context.ts';
import { KeyOrders } from '../../../../src/source/changefeed/decode/key-order.ts';
import type {
  ColumnShape,
  SchemaShape,
  TableShape,
} from '../../../../src/target/target.ts';

const shopPublic = schemaName(['shop', 'public']);

/** A table by its columns; `generated` ones are named in `columns` too. */
export function tableShape(
  name: string,
  key: readonly string[],
  rest: readonly string[] = [],
  generated: readonly string[] = [],
): TableShape {
  const column = (columnName: string): ColumnShape => ({
    name: columnName,
    type: 'pg_catalog.text',
    codec: { kind: 'scalar' },
    keyOrdinal: key.includes(columnName) ? key.indexOf(columnName) : null,
    nullable: !key.includes(columnName),
    hasDefault: false,
    generated: generated.includes(columnName),
    identity: null,
  });
  // Catalog order is not key order.
  const columns = [...rest, ...key.toReversed(), ...generated].map(column);
  const columnByName = new Map(columns.map((entry) => [entry.name, entry]));
  return {
    schema: shopPublic,
    name,
    columns,
    columnByName,
    primaryKey: key.map((columnName) => columnByName.get(columnName)!),
    keyDeferrable: false,
    hasInheritors: false,
    uniqueKeys: [],
    foreignKeys: [],
    fingerprint: name,
  };
}

export function schemaShape(...tables: readonly TableShape[]): SchemaShape {
  return {
    name: shopPublic,
    tables: new Map(tables.map((table) => [table.name, table])),
  };
}

export function decodeContext(
  shape: SchemaShape,
  over: Partial<DecodeContext> = {},
): DecodeContext {
  return {
    shape,
    table: null,
    onUnknown: 'refuse',
    takesNul: () => false,
    maxDepth: 64,
    keyOrders: new KeyOrders(),
    ...over,
  };
}

/** The target of most tests here. */
export const shape = schemaShape(
  tableShape('orders', ['id'], ['amount', 'note'], ['total']),
  tableShape('pairs', ['a', 'b'], ['v']),
  tableShape('keyless', [], ['v']),
);
/** The token of some source time. */
export const time = '"1732000000000000000.0000000000"';
export const payload = (...rows: string[]) =>
  `{"payload":[${rows.join(',')}],"length":${rows.length}}`;
/** A wrapped row; a field set to null is left out. */
export const row = (fields: Record<string, string | null> = {}) =>
  `{${Object.entries({
    after: '{"id":1,"note":"a"}',
    key: '[1]',
    topic: '"orders"',
    updated: time,
    ...fields,
  })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
