/**
 * The process of the case slot-decode: reads a slot to the end of the backlog
 * with the daemon's own stream and decoder, keeps nothing, and prints what it
 * took as one line of JSON.
 *
 *     node bench/sources/read-slot.ts URL SLOT LSN PLUGIN-OPTIONS
 */
import { parsePostgresAddress } from '../../src/config/address/postgres.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { CommitClock } from '../../src/source/logical/commit-clock.ts';
import { parseLsn } from '../../src/source/logical/server/lsn.ts';
import {
  messageKinds,
  readBegin,
} from '../../src/source/logical/decode/pgoutput.ts';
import type { SourceRelation } from '../../src/source/logical/decode/relations.ts';
import {
  type MutationSink,
  RowDecoder,
  type TargetTable,
} from '../../src/source/logical/decode/row-decoder.ts';
import { TypeCatalog } from '../../src/source/logical/decode/type-catalog.ts';
import { WalStream } from '../../src/source/logical/wire/wal-stream.ts';
import type { ColumnShape, TableShape } from '../../src/target/target.ts';

const rowKinds = new Set<number>([
  messageKinds.insert,
  messageKinds.update,
  messageKinds.delete,
]);

const [url, slotName, endLsn, plugin] = process.argv.slice(2);
const end = parseLsn(endLsn!);
const stream = await WalStream.open(
  {
    address: parsePostgresAddress(url!, '--sourceConn'),
    slotName: slotName!,
    from: 0n,
    plugin: JSON.parse(plugin!) as Record<string, string>,
    standbyTimeoutMs: 5000,
  },
  new AbortController().signal,
);
const clock = new CommitClock(zeroTimestamp);
const decoder = new RowDecoder({
  types: new TypeCatalog(() => Promise.reject(new Error('built-in types'))),
  target: tableLike,
});
let changes = 0;
let time = zeroTimestamp;
const sink: MutationSink = {
  put() {
    changes += 1;
  },
};
const before = process.cpuUsage();
await stream.run({
  message(buffer, start, messageEnd) {
    const payload = buffer.subarray(start, messageEnd);
    const kind = payload[0]!;
    if (kind === messageKinds.begin) {
      const { finalLsn, commitMicros } = readBegin(payload);
      // The transaction that marks the end lies behind it.
      if (finalLsn > end) finish();
      time = clock.next(commitMicros);
    } else if (kind === messageKinds.relation) {
      return decoder.relation(payload);
    } else if (rowKinds.has(kind)) {
      decoder.change(payload, 0, time, sink);
    }
    return undefined;
  },
  keepalive: () => undefined,
  paused: () => {},
});

/** A target's table with the columns and the key that the source has. */
function tableLike({ table, columns }: SourceRelation): TargetTable {
  const shapes = columns.map(({ name, isKey }, at): ColumnShape => ({
    name,
    type: 'pg_catalog.text',
    codec: { kind: 'scalar' },
    // Of these tables none has a key of several columns.
    keyOrdinal: isKey ? at : null,
    nullable: !isKey,
    hasDefault: false,
    generated: false,
    identity: null,
  }));
  const shape: TableShape = {
    schema: schemaName(['bench', 'public']),
    name: table,
    columns: shapes,
    columnByName: new Map(shapes.map((column) => [column.name, column])),
    primaryKey: shapes.filter(({ keyOrdinal }) => keyOrdinal !== null),
    uniqueKeys: [],
    foreignKeys: [],
    keyDeferrable: false,
    hasInheritors: false,
    fingerprint: table,
  };
  return { name: table, shape };
}

function finish(): void {
  const { user, system } = process.cpuUsage(before);
  const line = {
    changes,
    cpuMicros: user + system,
    rssMiB: process.resourceUsage().maxRSS / 1024,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit());
}
