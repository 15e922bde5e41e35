/**
 * From the changes of a slot to mutations.
 *
 * A change names its table by the OID of a relation that was described before
 * (`R`); what its columns become is worked out then (table-plan.ts), so that a
 * change is one walk over its bytes.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import { canonicalKey } from '../../mutation/canonical-key.ts';
import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { JsonWriter } from './json-writer.ts';
import { cutShort, readUInt16, readUInt32 } from './message-fields.ts';
import { fieldsAt, messageKinds, readTruncate } from './pgoutput.ts';
import { readRelation, type SourceRelation } from './relations.ts';
import { planTable, type TablePlan, type TargetTable } from './table-plan.ts';
import type { TypeCatalog } from './type-catalog.ts';

export type { TargetTable } from './table-plan.ts';

export interface RowDecoderOptions {
  readonly types: TypeCatalog;
  /** Null: the table is not replicated, its changes are skipped and counted. */
  target(relation: SourceRelation): TargetTable | null;
  /**
   * What becomes of columns that the target lacks: they stay in `after` under
   * the source's name (`keep`, the default), or are dropped and counted.
   */
  readonly onUnknown?: 'keep' | 'ignore';
}

export interface MutationSink {
  /** `keyColumns` is undefined for tables without a primary key. */
  put(
    table: TargetTable,
    keyColumns: readonly string[] | undefined,
    mutation: Mutation,
  ): void;
}

interface KnownRelation {
  readonly relation: SourceRelation;
  /** Null: not replicated. */
  readonly plan: TablePlan | null;
}

const newTuple = 0x4e; // N
const keyTuple = 0x4b; // K
const oldTuple = 0x4f; // O

const textValue = 0x74; // t
const nullValue = 0x6e; // n
const unchangedValue = 0x75; // u

/** In place of a length. */
const isNull = -1;
const isAbsent = -2;

export class RowDecoder {
  /** Values left out of an update because the source did not send them. */
  unchangedToastCount = 0;
  /** Changes of tables that are not replicated. */
  skippedChangeCount = 0;
  /** Values of columns that the target lacks, dropped (`onUnknown: ignore`). */
  ignoredValueCount = 0;

  readonly #options: RowDecoderOptions;
  readonly #relations = new Map<number, KnownRelation>();
  #lastOid = -1;
  #last: KnownRelation | null = null;
  readonly #writer = new JsonWriter();
  /** Where the values of the key lie in what was written. */
  readonly #keyStarts: number[] = [];
  readonly #keyEnds: number[] = [];
  /** Where the values of the old tuple lie in the payload. */
  readonly #oldStarts: number[] = [];
  readonly #oldLengths: number[] = [];
  #hasOld = false;
  /** Values that the last row written lacks. */
  #absentCount = 0;

  constructor(options: RowDecoderOptions) {
    this.#options = options;
  }

  /**
   * Takes the description of a table (`R`). Returns a promise where types must
   * be asked for first: no change may be decoded before it has resolved.
   */
  relation(
    payload: Buffer,
    offset = 0,
    inStream = false,
  ): Promise<void> | undefined {
    const relation = readRelation(payload, offset, inStream);
    const { types } = this.#options;
    const unknown = types.unknown(
      relation.columns.map(({ typeOid }) => typeOid),
    );
    if (unknown.length === 0) {
      this.#plan(relation);
      return undefined;
    }
    return types.learn(unknown).then(() => this.#plan(relation));
  }

  /** The table as last described, for logs; undefined where it never was. */
  relationOf(oid: number): SourceRelation | undefined {
    return this.#relations.get(oid)?.relation;
  }

  /** Asks anew for the targets of all tables: their shapes have changed. */
  refresh(): void {
    for (const { relation } of this.#relations.values()) {
      this.#plan(relation);
    }
  }

  /**
   * Decodes one message of the kinds I, U, D and T into the mutations that it
   * means, in the order in which they must take effect. Throws E6009 for what
   * the protocol does not have and E6011 for a change that names no row.
   */
  change(
    payload: Buffer,
    offset: number,
    time: Timestamp,
    sink: MutationSink,
    inStream = false,
  ): void {
    const kind = payload[offset];
    if (kind === messageKinds.truncate) {
      this.#truncate(payload, offset, time, sink, inStream);
      return;
    }
    const at = fieldsAt(offset, inStream);
    const known = this.#relation(readUInt32(payload, at));
    const { plan } = known;
    if (plan === null) {
      this.skippedChangeCount += 1;
      return;
    }
    if (kind === messageKinds.insert) {
      this.#insert(plan, payload, at + 4, time, sink);
    } else if (kind === messageKinds.update) {
      this.#update(plan, payload, at + 4, time, sink);
    } else if (kind === messageKinds.delete) {
      this.#delete(plan, payload, at + 4, time, sink);
    } else {
      throw protocolError(plan, 'a message that is no change of a row');
    }
  }

  #plan(relation: SourceRelation): void {
    const { types, onUnknown } = this.#options;
    const table = this.#options.target(relation);
    this.#relations.set(relation.oid, {
      relation,
      plan:
        table &&
        planTable(relation, table, {
          types,
          ignoresUnknown: onUnknown === 'ignore',
        }),
    });
    this.#lastOid = -1;
  }

  #relation(oid: number): KnownRelation {
    if (oid === this.#lastOid) {
      return this.#last!;
    }
    const known = this.#relations.get(oid);
    if (known === undefined) {
      throw new ReplicatorError('E6009', {
        detail: `the source sent a change of a table (OID ${oid}) that it has not described`,
      });
    }
    this.#lastOid = oid;
    this.#last = known;
    return known;
  }

  #insert(
    plan: TablePlan,
    payload: Buffer,
    at: number,
    time: Timestamp,
    sink: MutationSink,
  ): void {
    this.#hasOld = false;
    expectTuple(plan, payload, at, newTuple);
    const after = this.#row(plan, payload, at + 1);
    const key = this.#rowKey(plan, 'insert');
    sink.put(plan.table, plan.keyColumns, { time, key, after, before: null });
  }

  #update(
    plan: TablePlan,
    payload: Buffer,
    start: number,
    time: Timestamp,
    sink: MutationSink,
  ): void {
    const first = payload[start];
    this.#hasOld = first === keyTuple || first === oldTuple;
    const at = this.#hasOld
      ? this.#readOld(plan, payload, start + 1, first === oldTuple)
      : start;
    expectTuple(plan, payload, at, newTuple);
    if (!plan.isKeyed) {
      this.#updateKeyless(plan, payload, { start, at, time, sink });
      return;
    }
    if (first !== oldTuple && !plan.isKeyIdentified) {
      throw unlocated(plan, 'update');
    }
    const oldKey = this.#hasOld ? this.#oldKey(plan, payload) : null;
    const after = this.#row(plan, payload, at + 1);
    const key = this.#rowKey(plan, 'update');
    const { table, keyColumns } = plan;
    this.unchangedToastCount += this.#absentCount;
    if (oldKey === null || oldKey === key) {
      sink.put(table, keyColumns, { time, key, after, before: null });
      return;
    }
    sink.put(table, keyColumns, {
      time,
      key: oldKey,
      after: null,
      before: null,
    });
    sink.put(
      table,
      keyColumns,
      this.#absentCount > 0 || plan.targetHasMore
        ? { time, key, after, before: null, movedFrom: oldKey }
        : { time, key, after, before: null },
    );
  }

  #updateKeyless(
    plan: TablePlan,
    payload: Buffer,
    place: {
      readonly start: number;
      readonly at: number;
      readonly time: Timestamp;
      readonly sink: MutationSink;
    },
  ): void {
    const { start, at, time, sink } = place;
    if (payload[start] !== oldTuple) {
      throw unlocated(plan, 'update');
    }
    this.#deleteKeyless(plan, payload, start + 1, time, sink);
    this.#hasOld = true;
    const after = this.#row(plan, payload, at + 1);
    const key = this.#rowKey(plan, 'update');
    sink.put(plan.table, undefined, { time, key, after, before: null });
  }

  #delete(
    plan: TablePlan,
    payload: Buffer,
    at: number,
    time: Timestamp,
    sink: MutationSink,
  ): void {
    const tuple = payload[at];
    if (tuple !== keyTuple && tuple !== oldTuple) {
      throw tupleError(plan, payload, at);
    }
    if (tuple === keyTuple && !plan.isKeyIdentified) {
      throw unlocated(plan, 'delete');
    }
    if (!plan.isKeyed) {
      this.#deleteKeyless(plan, payload, at + 1, time, sink);
      return;
    }
    this.#readOld(plan, payload, at + 1, tuple === oldTuple);
    const key = this.#oldKey(plan, payload);
    sink.put(plan.table, plan.keyColumns, {
      time,
      key,
      after: null,
      before: null,
    });
  }

  #deleteKeyless(
    plan: TablePlan,
    payload: Buffer,
    at: number,
    time: Timestamp,
    sink: MutationSink,
  ): void {
    this.#hasOld = false;
    const before = this.#row(plan, payload, at);
    const key = this.#rowKey(plan, 'delete');
    sink.put(plan.table, undefined, { time, key, after: null, before });
  }

  #truncate(
    payload: Buffer,
    offset: number,
    time: Timestamp,
    sink: MutationSink,
    inStream: boolean,
  ): void {
    const { relationOids, restartIdentity } = readTruncate(
      payload,
      offset,
      inStream,
    );
    for (const { plan } of relationOids.map((oid) => this.#relation(oid))) {
      if (plan === null) {
        this.skippedChangeCount += 1;
      } else {
        sink.put(
          plan.table,
          plan.keyColumns,
          truncation(time, restartIdentity),
        );
      }
    }
  }

  /** The tuple at `start` as a JSON object; leaves the key's places behind. */
  #row(plan: TablePlan, payload: Buffer, start: number): JsonText {
    const { columns } = plan;
    const { length: end } = payload;
    const writer = this.#writer;
    const keyStarts = this.#keyStarts;
    const keyEnds = this.#keyEnds;
    const count = columns.length;
    expectCount(plan, payload, start);
    writer.reset();
    let at = start + 2;
    let absentCount = 0;
    for (let index = 0; index < count; index += 1) {
      const column = columns[index]!;
      const kind = payload[at];
      at += 1;
      if (kind === textValue) {
        const valueStart = at + 4;
        if (valueStart > end) {
          throw cutShort(payload);
        }
        const length =
          (payload[at]! << 24) |
          (payload[at + 1]! << 16) |
          (payload[at + 2]! << 8) |
          payload[at + 3]!;
        at = valueStart + length;
        if (length < 0 || at > end) {
          throw cutShort(payload);
        }
        if (column.isIgnored) {
          this.ignoredValueCount += 1;
          continue;
        }
        writer.member(column.prefix);
        const place = column.keyPlace;
        if (place >= 0) {
          keyStarts[place] = writer.length;
          writer.value(column.type, payload, valueStart, at);
          keyEnds[place] = writer.length;
        } else {
          writer.value(column.type, payload, valueStart, at);
        }
        continue;
      }
      if (kind !== nullValue && kind !== unchangedValue) {
        throw kind === undefined
          ? cutShort(payload)
          : protocolError(plan, `a value of the unknown kind ${kind}`);
      }
      if (column.isIgnored) {
        continue;
      }
      const { keyPlace } = column;
      if (kind === unchangedValue && !this.#canRestore(index)) {
        absentCount += 1;
        if (keyPlace >= 0) {
          keyStarts[keyPlace] = -1;
        }
        continue;
      }
      writer.member(column.prefix);
      if (keyPlace >= 0) {
        keyStarts[keyPlace] = writer.length;
      }
      const oldLength = kind === nullValue ? isNull : this.#oldLengths[index]!;
      if (oldLength === isNull) {
        writer.null();
      } else {
        const oldStart = this.#oldStarts[index]!;
        writer.value(column.type, payload, oldStart, oldStart + oldLength);
      }
      if (keyPlace >= 0) {
        keyEnds[keyPlace] = writer.length;
      }
    }
    this.#absentCount = absentCount;
    writer.endObject();
    return writer.text();
  }

  #canRestore(index: number): boolean {
    return this.#hasOld && this.#oldLengths[index] !== isAbsent;
  }

  /** The key of the row that was just written. */
  #rowKey(plan: TablePlan, change: string): JsonText {
    if (plan.missingKeyColumns.length > 0) {
      throw unlocated(plan, change);
    }
    const writer = this.#writer;
    const count = plan.keySources.length;
    const elements: JsonText[] = [];
    for (let place = 0; place < count; place += 1) {
      const start = this.#keyStarts[place]!;
      if (start < 0) {
        throw unlocated(plan, change);
      }
      elements.push(writer.text(start, this.#keyEnds[place]));
    }
    // Without a primary key, rows are what they hold, to the last zero.
    return plan.isKeyed
      ? canonicalKey(elements)
      : (`[${elements.join(',')}]` as JsonText);
  }

  /** Where the values of an old tuple lie; returns the position behind it. */
  #readOld(
    plan: TablePlan,
    payload: Buffer,
    start: number,
    isWhole: boolean,
  ): number {
    const { columns } = plan;
    expectCount(plan, payload, start);
    let at = start + 2;
    for (let index = 0; index < columns.length; index += 1) {
      const kind = payload[at];
      at += 1;
      let length = isAbsent;
      if (kind === textValue) {
        length = readUInt32(payload, at) | 0;
        at += 4;
        this.#oldStarts[index] = at;
        if (length < 0 || at + length > payload.length) {
          throw cutShort(payload);
        }
        at += length;
      } else if (kind === nullValue) {
        // Beside the replica identity, null stands for what is not sent.
        length = isWhole || columns[index]!.isIdentity ? isNull : isAbsent;
      } else if (kind !== unchangedValue) {
        throw kind === undefined
          ? cutShort(payload)
          : protocolError(plan, `a value of the unknown kind ${kind}`);
      }
      this.#oldLengths[index] = length;
    }
    return at;
  }

  /** The key of the row that `readOld` has found. */
  #oldKey(plan: TablePlan, payload: Buffer): JsonText {
    const writer = this.#writer;
    const elements: JsonText[] = [];
    for (const index of plan.keySources) {
      const length = index < 0 ? isAbsent : this.#oldLengths[index]!;
      if (length === isAbsent) {
        throw unlocated(plan, 'change');
      }
      writer.reset();
      if (length === isNull) {
        writer.null();
      } else {
        const start = this.#oldStarts[index]!;
        writer.value(plan.columns[index]!.type, payload, start, start + length);
      }
      elements.push(writer.text());
    }
    return canonicalKey(elements);
  }
}

function expectTuple(
  plan: TablePlan,
  payload: Buffer,
  at: number,
  kind: number,
): void {
  if (payload[at] !== kind) {
    throw tupleError(plan, payload, at);
  }
}

function tupleError(
  plan: TablePlan,
  payload: Buffer,
  at: number,
): ReplicatorError {
  return at >= payload.length
    ? cutShort(payload)
    : protocolError(plan, `a row of the unknown kind ${payload[at]}`);
}

function expectCount(plan: TablePlan, payload: Buffer, at: number): void {
  const count = readUInt16(payload, at);
  if (count !== plan.columns.length) {
    throw protocolError(
      plan,
      `a row of ${count} columns, having described ${plan.columns.length}`,
    );
  }
}

function protocolError(plan: TablePlan, what: string): ReplicatorError {
  return new ReplicatorError('E6009', {
    detail: `the source sent ${what}, of the table ${sourceName(plan)}`,
  });
}

/** E6011, with the way out that this table has. */
function unlocated(plan: TablePlan, change: string): ReplicatorError {
  const { relation, isKeyed, keyColumns, missingKeyColumns } = plan;
  const source = sourceName(plan);
  const key = keyColumns?.join(', ');
  const reason = !isKeyed
    ? 'the target table has no primary key, and the source does not send whole old rows'
    : missingKeyColumns.length > 0
      ? `the source does not send ${missingKeyColumns.join(', ')} of the target's primary key (${key})`
      : `the target's primary key is (${key}), and replica identity ${relation.replicaIdentity} of the source does not tell it`;
  return new ReplicatorError('E6011', {
    detail: `cannot tell which row of ${source} the source has changed (${change}): ${reason}`,
  });
}

function sourceName({ relation }: TablePlan): string {
  return `${relation.schema}.${relation.table}`;
}
