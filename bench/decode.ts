/**
 * How long one row of a request takes from bytes to mutations: inflate not
 * counted, UTF-8 check, JSON validation and decoding counted.
 *
 *     node bench/decode.ts        prints one JSON line
 */
import { decodeBody } from '../src/source/changefeed/decode/decode.ts';
import { decodeUtf8 } from '../src/source/changefeed/decode/inflate.ts';
import { KeyOrders } from '../src/source/changefeed/decode/key-order.ts';
import { schemaName } from '../src/mutation/schema-name.ts';
import { validateJson } from '../src/mutation/json-validation.ts';
import type { ColumnShape, TableShape } from '../src/target/target.ts';

const rowsPerRequest = 100;
const samples = 5;
const sampleMs = 300;

function column(name: string, keyOrdinal: number | null): ColumnShape {
  return {
    name,
    type: 'pg_catalog.text',
    codec: { kind: 'scalar' },
    keyOrdinal,
    nullable: keyOrdinal === null,
    hasDefault: false,
    generated: false,
    identity: null,
  };
}

function table(name: string, key: readonly string[], rest: readonly string[]) {
  const primaryKey = key.map((column_, at) => column(column_, at));
  const columns = [...primaryKey, ...rest.map((name_) => column(name_, null))];
  const shape: TableShape = {
    schema: schemaName(['shop', 'public']),
    name,
    columns,
    columnByName: new Map(columns.map((entry) => [entry.name, entry])),
    primaryKey,
    uniqueKeys: [],
    foreignKeys: [],
    keyDeferrable: false,
    hasInheritors: false,
    fingerprint: name,
  };
  return shape;
}

const orders = table(
  'orders',
  ['id'],
  ['customer_id', 'amount', 'note', 'created_at'],
);

/** About 250 bytes a row, as CockroachDB spells it. */
function request(first: number): Buffer {
  const rows: string[] = [];
  for (let at = 0; at < rowsPerRequest; at += 1) {
    const id = 1_000_000 + first + at;
    const nanos = `17320000000${String(first + at).padStart(8, '0')}`;
    rows.push(
      `{"after": {"amount": ${id % 1000}.${at % 100}0, "created_at": "2026-11-21T02:45:08.${id}Z", "customer_id": ${id * 7}, "id": ${id}, "note": "order number ${id} goes out"}, "key": [${id}], "topic": "orders", "updated": "${nanos}.0000000000"}`,
    );
  }
  return Buffer.from(
    `{"payload": [${rows.join(', ')}], "length": ${rows.length}}`,
  );
}

const context = {
  shape: {
    name: schemaName(['shop', 'public']),
    tables: new Map([['orders', orders]]),
  },
  table: null,
  onUnknown: 'refuse' as const,
  takesNul: () => false,
  maxDepth: 100,
  keyOrders: new KeyOrders(),
};
const bodies = Array.from({ length: 64 }, (_, at) =>
  request(at * rowsPerRequest),
);

/** CPU nanoseconds a row, the median of a few samples. */
function measure(once: (body: Buffer) => void): number {
  const found: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const startedAt = performance.now();
    const before = process.cpuUsage();
    let count = 0;
    while (performance.now() - startedAt < sampleMs) {
      for (const body of bodies) {
        once(body);
      }
      count += bodies.length * rowsPerRequest;
    }
    const { user, system } = process.cpuUsage(before);
    found.push(((user + system) * 1e3) / count);
  }
  return found.toSorted((a, b) => a - b)[Math.floor(samples / 2)]!;
}

const decode = measure((body) => {
  const decoded = decodeBody(decodeUtf8(body), context);
  if (decoded.kind !== 'rows' || decoded.rowCount !== rowsPerRequest) {
    throw new Error('the request was not decoded');
  }
});
const validate = measure((body) => validateJson(decodeUtf8(body), context));
const parse = measure((body) => {
  JSON.parse(body.toString());
});
const rowBytes = Math.round(bodies[0]!.length / rowsPerRequest);
const line = {
  name: 'decode',
  rowBytes,
  cpuNanosPerRow: Math.round(decode),
  validateCpuNanosPerRow: Math.round(validate),
  jsonParseCpuNanosPerRow: Math.round(parse),
  rowsPerCpuSecond: Math.round(1e9 / decode),
};
console.log(JSON.stringify(line));
