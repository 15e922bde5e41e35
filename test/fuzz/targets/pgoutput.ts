/**
 * Messages of a replication slot, against an encoder and a second reader of
 * tuples. The input is messages, each behind its length (two bytes); the first
 * byte of all says whether they stand inside a stream.
 */
import assert from 'node:assert/strict';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import type { Timestamp } from '../../../src/mutation/timestamp.ts';
import {
  fieldsAt,
  messageKindName,
  messageKinds,
  readBegin,
  readCommit,
  readStreamAbort,
  readStreamCommit,
  readStreamStart,
  readTruncate,
} from '../../../src/source/logical/decode/pgoutput.ts';
import {
  readRelation,
  type SourceRelation,
} from '../../../src/source/logical/decode/relations.ts';
import { RowDecoder } from '../../../src/source/logical/decode/row-decoder.ts';
import { TypeCatalog } from '../../../src/source/logical/decode/type-catalog.ts';
import {
  int32,
  message,
  relationMessage,
} from '../../source/logical/decode/message-bytes.ts';
import { tableShapeIn } from '../../target/table-shape.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { readPlainTuple } from './plain-tuple.ts';

/** json, jsonb, and arrays of them. */
const jsonOids: readonly number[] = [114, 199, 3802, 3807];

const time = '1700000000000000000.0000000000' as Timestamp;

export const target: FuzzTarget = {
  name: 'pgoutput',
  covers: ['/src/source/logical/decode/', '/src/mutation/canonical-key.ts'],
  dictionary: [
    '\x00\x00\x40\x10', // the relation of the corpus
    'R\x00\x00\x40\x10',
    'I\x00\x00\x40\x10N',
    'U\x00\x00\x40\x10',
    'D\x00\x00\x40\x10',
    'T\x00\x00\x00\x01\x00\x00\x00\x40\x10',
    'public\x00item\x00d',
    'N\x00\x02',
    'K\x00\x02',
    'O\x00\x02',
    't\x00\x00\x00\x01',
    '\xff\xff\xff\xff',
    '\x7f\xff\xff\xff',
    '\x00\x00\x00\x17', // int4
    '\x00\x00\x06\xa4', // numeric
    '\x00\x00\x03\xf1', // text[]
    '\x00\x00\x0e\xda', // jsonb
    '\x00\x00\x00\x10', // bool
    '{"a":[1,2.50]}',
    '{a,"b\\"c",NULL,{d}}',
    'NaN',
    '-Infinity',
    '1e400',
    '\xc3\x28',
    '\xf0\x9f\xa6\x94',
    '\x00',
  ],
  check(input) {
    const inStream = ((input[0] ?? 0) & 1) === 1;
    const world = new World(inStream);
    const outcomes: string[] = [];
    for (let at = 1; at + 2 <= input.length;) {
      const length = input.readUInt16BE(at);
      outcomes.push(world.take(input.subarray(at + 2, at + 2 + length)));
      at += 2 + length;
    }
    return outcomes.slice(0, 3).join('; ');
  },
};

/** The item table of the target: `id` is its key. */
const shape = tableShapeIn('s')(
  'item',
  ['id', 'note', 'n', 'doc', 'list'].map((name, index) => ({
    name,
    type: 'text',
    codec: { kind: 'scalar' },
    keyOrdinal: index === 0 ? 0 : null,
    nullable: true,
    hasDefault: false,
    generated: false,
    identity: null,
  })),
);

class World {
  readonly #inStream: boolean;
  readonly #decoder = new RowDecoder({
    types: new TypeCatalog(() => Promise.reject(new Error('none'))),
    target: ({ table }) => (table === 'other' ? null : { name: 'item', shape }),
    onPartEmptied: () => {},
  });
  readonly #relations = new Map<number, SourceRelation>();

  constructor(inStream: boolean) {
    this.#inStream = inStream;
  }

  /** One message; says what came of it. */
  take(payload: Buffer): string {
    try {
      return this.#taken(payload);
    } catch (error) {
      if (error instanceof assert.AssertionError) {
        throw error;
      }
      assert.ok(error instanceof ReplicatorError, (error as Error).stack!);
      assert.match(error.code, /^E[46]0/, error.line);
      return error.code;
    }
  }

  #taken(payload: Buffer): string {
    const kind = payload[0] ?? 0;
    const name = messageKindName(kind);
    if (kind === messageKinds.relation) {
      this.#describe(payload);
    } else if ('IUDT'.includes(String.fromCharCode(kind))) {
      return `${name} ${this.#change(payload, kind)}`;
    } else {
      checkPlainMessage(payload, kind, this.#inStream);
    }
    return name;
  }

  #describe(payload: Buffer): void {
    const relation = readRelation(payload, 0, this.#inStream);
    // Described again, byte by byte, it is the same.
    const identity = relation.replicaIdentity.charAt(0);
    const again = relationMessage({ ...relation, identity });
    assert.deepEqual(readRelation(again), relation);
    const asked = this.#decoder.relation(payload, 0, this.#inStream);
    if (asked === undefined) {
      this.#relations.set(relation.oid, relation);
    } else {
      // A type that would be asked for; here nobody answers.
      this.#relations.delete(relation.oid);
      asked.catch(() => {});
    }
  }

  #change(payload: Buffer, kind: number): string {
    const mutations: Mutation[] = [];
    const sink = {
      put: (_table: unknown, _key: unknown, mutation: Mutation) => {
        mutations.push(mutation);
      },
    };
    this.#decoder.change(payload, 0, time, sink, this.#inStream);
    const relation = this.#relations.get(
      payload.length < 9
        ? -1
        : payload.readUInt32BE(fieldsAt(0, this.#inStream)),
    );
    // What the source stores as JSON is JSON: that is believed.
    const isBelieved = relation?.columns.some(({ typeOid }) =>
      jsonOids.includes(typeOid),
    );
    for (const { after, before, key, movedFrom } of isBelieved
      ? []
      : mutations) {
      for (const json of [after, before, key, movedFrom]) {
        if (json != null && json !== '') {
          assert.doesNotThrow(() => JSON.parse(json), `no JSON: ${json}`);
        }
      }
    }
    if (kind === messageKinds.insert && isBelieved !== true) {
      this.#checkInsert(payload, mutations);
    }
    return `${mutations.length} ${mutations.at(-1)?.after === null}`;
  }

  /** Text arrives letter by letter, null as null. */
  #checkInsert(payload: Buffer, mutations: readonly Mutation[]): void {
    const at = fieldsAt(0, this.#inStream);
    const relation = this.#relations.get(payload.readUInt32BE(at));
    if (relation === undefined || mutations.length === 0) {
      return;
    }
    const values = readPlainTuple(payload.subarray(at + 5));
    const after = JSON.parse(mutations[0]!.after!) as Record<string, unknown>;
    for (const [index, { name, typeOid }] of relation.columns.entries()) {
      const value = values[index];
      const isShadowed = relation.columns.some(
        (other, place) =>
          place !== index && other.name.toLowerCase() === name.toLowerCase(),
      );
      if (isShadowed || !['id', 'note'].includes(name)) {
        continue;
      }
      if (value === null) {
        assert.equal(after[name], null);
      } else if (value === undefined) {
        assert.ok(!Object.hasOwn(after, name));
      } else if (typeOid === 25) {
        assert.equal(after[name], value.toString('utf8'));
      }
    }
  }
}

/** Reads, writes, and reads again where an encoder is a line. */
function checkPlainMessage(
  payload: Buffer,
  kind: number,
  inStream: boolean,
): void {
  switch (kind) {
    case messageKinds.begin: {
      const { finalLsn, commitMicros, xid } = readBegin(payload);
      const again = message(
        'B',
        int64(finalLsn),
        int64(commitMicros),
        int32(xid),
      );
      assert.deepEqual(again, payload.subarray(0, again.length));
      return;
    }
    case messageKinds.commit: {
      const { commitLsn, endLsn, commitMicros } = readCommit(payload);
      const again = message(
        int64(commitLsn),
        int64(endLsn),
        int64(commitMicros),
      );
      assert.deepEqual(again, payload.subarray(2, 26));
      return;
    }
    case messageKinds.truncate:
      assert.ok(
        readTruncate(payload, 0, inStream).relationOids.length < 2 ** 16,
      );
      return;
    case messageKinds.streamStart: {
      const { xid } = readStreamStart(payload);
      assert.deepEqual(int32(xid), payload.subarray(1, 5));
      return;
    }
    case messageKinds.streamCommit: {
      const { xid, endLsn } = readStreamCommit(payload);
      assert.deepEqual(int32(xid), payload.subarray(1, 5));
      assert.deepEqual(int64(endLsn), payload.subarray(14, 22));
      return;
    }
    case messageKinds.streamAbort: {
      const { xid, subXid } = readStreamAbort(payload);
      assert.deepEqual(
        message(int32(xid), int32(subXid)),
        payload.subarray(1, 9),
      );
      return;
    }
  }
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}
