/**
 * From the changes of a slot to mutations.
 *
 * A change names its table by the OID of a relation that was described before
 * (`R`); what its columns become is worked out then (table-plan.ts), so that a
 * change is one walk over its bytes (tuple-reader.ts).
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../../mutation/mutation.ts';
import type { Timestamp } from '../../../mutation/timestamp.ts';
import { partEmptied, protocolError, unlocated } from './change-errors.ts';
import { cutShort, readUInt32 } from './message-fields.ts';
import { fieldsAt, messageKinds, readTruncate } from './pgoutput.ts';
import { readRelation, type SourceRelation } from './relations.ts';
import { requireRowSize } from './row-size.ts';
import { planTable, type TablePlan, type TargetTable } from './table-plan.ts';
import {
  keyOldTuple,
  newTuple,
  TupleReader,
  wholeOldTuple,
} from './tuple-reader.ts';
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
  /**
   * Told of a partition that was emptied and whose rows stay at the target,
   * because they lie among others there; without it that is refused (E6011).
   */
  readonly onPartEmptied?: (relation: SourceRelation) => void;
}

export interface MutationSink {
  /**
   * `keyColumns` is empty for tables without a primary key. `isSparse`: the row
   * lacks columns that its table has. `isNew`: the source inserted it.
   */
  put(
    table: TargetTable,
    keyColumns: readonly string[],
    mutation: Mutation,
    isSparse: boolean,
    isNew: boolean,
  ): void;
}

interface KnownRelation {
  readonly relation: SourceRelation;
  /** Null: not replicated. */
  readonly plan: TablePlan | null;
}

export class RowDecoder {
  /** Values left out of an update because the source did not send them. */
  unchangedToastCount = 0;
  /** Changes of tables that are not replicated. */
  skippedChangeCount = 0;

  readonly #options: RowDecoderOptions;
  readonly #relations = new Map<number, KnownRelation>();
  #lastOid = -1;
  #last: KnownRelation | null = null;
  readonly #tuples = new TupleReader();
  /** Of the change at hand. */
  #time = '' as Timestamp;
  #sink: MutationSink = { put() {} };

  constructor(options: RowDecoderOptions) {
    this.#options = options;
  }

  /** Values of columns that the target lacks, dropped (`onUnknown: ignore`). */
  get ignoredValueCount(): number {
    return this.#tuples.ignoredCount;
  }

  set ignoredValueCount(count: number) {
    this.#tuples.ignoredCount = count;
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
    this.#time = time;
    this.#sink = sink;
    const kind = payload[offset];
    if (kind === messageKinds.truncate) {
      this.#truncate(payload, offset, inStream);
      return;
    }
    const at = fieldsAt(offset, inStream);
    const { plan } = this.#relation(readUInt32(payload, at));
    if (plan === null) {
      this.skippedChangeCount += 1;
    } else if (kind === messageKinds.insert) {
      this.#insert(plan, payload, at + 4);
    } else if (kind === messageKinds.update) {
      this.#update(plan, payload, at + 4);
    } else if (kind === messageKinds.delete) {
      this.#delete(plan, payload, at + 4);
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

  #insert(plan: TablePlan, payload: Buffer, at: number): void {
    this.#tuples.forgetOld();
    expectTuple(plan, payload, at);
    const after = this.#tuples.row(plan, payload, at + 1);
    const key = this.#tuples.rowKey(plan, 'insert');
    const mutation = { time: this.#time, key, after, before: null };
    this.#put(plan, mutation, true);
  }

  #update(plan: TablePlan, payload: Buffer, start: number): void {
    const tuples = this.#tuples;
    const old = payload[start];
    tuples.forgetOld();
    if (old !== keyOldTuple && old !== wholeOldTuple) {
      expectTuple(plan, payload, start);
      if (!plan.isKeyIdentified) {
        throw unlocated(plan, 'update');
      }
      const after = tuples.row(plan, payload, start + 1);
      this.unchangedToastCount += tuples.absentCount;
      this.#upsert(plan, tuples.rowKey(plan, 'update'), after);
      return;
    }
    expectIdentity(plan, old, 'update');
    const at = tuples.old(plan, payload, start + 1);
    expectTuple(plan, payload, at);
    if (!plan.isKeyed) {
      this.#remove(plan, payload, start + 1, 'update');
      const after = tuples.row(plan, payload, at + 1);
      this.#upsert(plan, tuples.rowKey(plan, 'update'), after);
      return;
    }
    const oldKey = tuples.oldKey(plan, payload, 'update');
    const after = tuples.row(plan, payload, at + 1);
    const key = tuples.rowKey(plan, 'update');
    this.unchangedToastCount += tuples.absentCount;
    if (key === oldKey) {
      this.#upsert(plan, key, after);
      return;
    }
    const time = this.#time;
    this.#put(plan, { time, key: oldKey, after: null, before: null });
    if (tuples.absentCount > 0 || plan.isMoved) {
      this.#put(plan, { time, key, after, before: null, movedFrom: oldKey });
    } else {
      this.#upsert(plan, key, after);
    }
  }

  #delete(plan: TablePlan, payload: Buffer, start: number): void {
    const old = payload[start];
    if (old !== keyOldTuple && old !== wholeOldTuple) {
      throw tupleError(plan, payload, start);
    }
    expectIdentity(plan, old, 'delete');
    this.#tuples.old(plan, payload, start + 1);
    this.#remove(plan, payload, start + 1, 'delete');
  }

  /** The row of the old tuple at `at`, which was just found. */
  #remove(plan: TablePlan, payload: Buffer, at: number, change: string): void {
    const tuples = this.#tuples;
    const time = this.#time;
    if (plan.isKeyed) {
      const key = tuples.oldKey(plan, payload, change);
      this.#put(plan, { time, key, after: null, before: null });
    } else {
      const before = tuples.row(plan, payload, at);
      const key = tuples.rowKey(plan, change);
      this.#put(plan, { time, key, after: null, before });
    }
  }

  #truncate(payload: Buffer, offset: number, inStream: boolean): void {
    const { relationOids, restartIdentity } = readTruncate(
      payload,
      offset,
      inStream,
    );
    const oids = new Set(relationOids);
    const emptied = new Set<string>();
    for (const { plan } of relationOids.map((oid) => this.#relation(oid))) {
      if (plan === null) {
        this.skippedChangeCount += 1;
        continue;
      }
      const { name, parts } = plan.table;
      if (emptied.has(name)) {
        continue;
      }
      if (parts && !parts.every((oid) => oids.has(oid))) {
        if (this.#options.onPartEmptied === undefined) {
          throw partEmptied(plan);
        }
        this.#options.onPartEmptied(plan.relation);
        continue;
      }
      emptied.add(name);
      this.#put(plan, truncation(this.#time, restartIdentity));
    }
  }

  #upsert(plan: TablePlan, key: JsonText, after: JsonText): void {
    this.#put(plan, { time: this.#time, key, after, before: null });
  }

  #put(plan: TablePlan, mutation: Mutation, isNew = false): void {
    requireRowSize(plan, mutation);
    const isSparse = mutation.after !== null && this.#tuples.absentCount > 0;
    this.#sink.put(plan.table, plan.keyColumns, mutation, isSparse, isNew);
  }
}

function expectTuple(plan: TablePlan, payload: Buffer, at: number): void {
  if (payload[at] !== newTuple) {
    throw tupleError(plan, payload, at);
  }
}

/** Whether an old tuple of this kind can tell which row it was. */
function expectIdentity(plan: TablePlan, kind: number, change: string): void {
  if (kind === keyOldTuple && !plan.isKeyIdentified) {
    throw unlocated(plan, change);
  }
}

function tupleError(plan: TablePlan, payload: Buffer, at: number): Error {
  return at >= payload.length
    ? cutShort(payload)
    : protocolError(plan, `a row of the unknown kind ${payload[at]}`);
}
