/**
 * From the rows of one request to mutations, all or none.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ErrorCode } from '../../../failure/codes.ts';
import {
  jsonKind,
  jsonString,
  memberValue,
  skipValue,
  unescape,
} from '../../../mutation/json-text.ts';
import { validateValue } from '../../../mutation/json-validation.ts';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../../mutation/mutation.ts';
import {
  parseTimestampAt,
  type Timestamp,
  zeroTimestamp,
} from '../../../mutation/timestamp.ts';
import type { TableShape } from '../../../target/target.ts';
import { resolveColumn } from '../../column-names.ts';
import { wrapBareRow } from './bare.ts';
import {
  columnValues,
  newRowScan,
  rewriteRow,
  type RowLayout,
  rowLayout,
  scanRow,
} from './columns.ts';
import { newEnvelope, readEnvelope, readFields } from './envelope.ts';
import { KnownRows } from './known-rows.ts';
import {
  aheadOfClock,
  type DecodeContext,
  type DecodedRows,
  knownTable,
  shownName,
} from './decode-context.ts';
import { RequestKeys } from './request-keys.ts';
import { namedKey } from './row-key.ts';
import { mayBeUnstorable, refuseUnstorable } from './storable.ts';
import { resolveTopic } from './topic.ts';

export class RowDecoder {
  readonly #context: DecodeContext;
  /** Null where the text is not ASCII. */
  readonly #knownRows: KnownRows | null;
  /** For every row; undefined where each row names its own. */
  readonly #fixedTable: TableShape | null | undefined;
  /** Whether any value of the request may spell what cannot be stored. */
  readonly #isSuspect: boolean;
  readonly #maxRows: number;
  readonly #envelope = newEnvelope();
  readonly #scan = newRowScan();
  readonly #keys: RequestKeys;
  readonly #tables = new Map<RowLayout, Mutation[]>();
  #rowNumber = 0;
  /** Where a row stands from which others like it may be known. */
  #newRow: readonly [start: number, end: number] | null = null;
  #isBare = false;
  // What the last row had: most often the next one has the same.
  #layout: RowLayout | null = null;
  #topicToken = '';
  #time: Timestamp = zeroTimestamp;
  #mutationsOf: RowLayout | null = null;
  #mutations: Mutation[] = [];

  #rowCount = 0;
  #ignoredRowCount = 0;
  #ignoredColumnCount = 0;
  #phantomDeleteCount = 0;

  /**
   * `fixedTable` is the table of all rows, null when that one is unknown and
   * to be ignored, undefined when each row names its own by its topic.
   */
  constructor(
    request: string,
    bytes: Uint8Array | null,
    context: DecodeContext,
    fixedTable: TableShape | null | undefined,
  ) {
    this.#context = context;
    this.#maxRows = context.maxRows || Infinity;
    this.#fixedTable = fixedTable;
    this.#layout = fixedTable ? rowLayout(fixedTable) : null;
    this.#isSuspect = mayBeUnstorable(request);
    this.#keys = new RequestKeys(
      context,
      this.#envelope,
      this.#scan,
      this.#isSuspect,
    );
    this.#knownRows =
      bytes === null
        ? null
        : new KnownRows(
            request,
            bytes,
            context.shape,
            fixedTable && rowLayout(fixedTable),
          );
  }

  /**
   * Decodes and validates the row that starts there, which may hold
   * `depthLeft` levels of objects; returns the position behind it.
   */
  decodeRow(text: string, start: number, depthLeft: number): number {
    this.#rowNumber += 1;
    if (this.#rowNumber > this.#maxRows) {
      throw new ReplicatorError('E1031', {
        detail: `the request holds more than ${this.#maxRows} rows`,
      });
    }
    if (text.charCodeAt(start) !== 0x7b) {
      validateValue(text, start, depthLeft);
      throw this.#refusal('E1019', 'is not a JSON object');
    }
    const envelope = this.#envelope;
    const knownRows = this.#knownRows;
    if (knownRows !== null) {
      const end = knownRows.read(envelope, this.#scan, start, depthLeft);
      if (end >= 0) {
        this.#isBare = false;
        this.#decodeWrapped(text, knownRows);
        return end;
      }
    }
    const end = readEnvelope(
      envelope,
      this.#scan,
      this.#layout,
      text,
      start,
      depthLeft,
    );
    this.#isBare = envelope.metadataStart >= 0;
    if (this.#isBare) {
      const wrapped = wrapBareRow(text.slice(start, end), this.#hasColumn);
      readEnvelope(
        envelope,
        this.#scan,
        this.#layout,
        wrapped,
        0,
        depthLeft + 1,
      );
      this.#decodeWrapped(wrapped, null);
      return end;
    }
    const { afterStart, payloadStart } = envelope;
    if (afterStart < 0 && text.charCodeAt(payloadStart) === 0x7b) {
      readFields(
        envelope,
        this.#scan,
        this.#layout,
        text,
        payloadStart,
        depthLeft,
      );
    }
    this.#newRow = payloadStart < 0 ? [start, end] : null;
    this.#decodeWrapped(text, null);
    this.#newRow = null;
    return end;
  }

  finish(): DecodedRows {
    this.#keys.arrangeLate();
    const tables: TableMutations[] = [];
    for (const [{ table, keyColumns }, mutations] of this.#tables) {
      tables.push({ table: table.name, keyColumns, mutations });
    }
    return {
      kind: 'rows',
      tables,
      rowCount: this.#rowCount,
      ignoredRowCount: this.#ignoredRowCount,
      ignoredColumnCount: this.#ignoredColumnCount,
      phantomDeleteCount: this.#phantomDeleteCount,
    };
  }

  /** `known` is what has read the row, if it is one of those. */
  #decodeWrapped(text: string, known: KnownRows | null): void {
    this.#refuseOtherEnvelopes(text);
    const time = known?.hasLastTime ? this.#time : this.#rowTime(text);
    const layout = known?.hasLastTopic ? this.#layout : this.#rowLayout(text);
    if (layout === null) {
      this.#ignoredRowCount += 1;
      return;
    }
    if (layout.table.primaryKey.length === 0) {
      throw new ReplicatorError('E1022', {
        detail: `the target table ${JSON.stringify(layout.table.name)} has no primary key, so changes of a row cannot find it`,
      });
    }
    const { afterStart, beforeStart, beforeEnd } = this.#envelope;
    const before =
      text.charCodeAt(beforeStart) === 0x7b
        ? (text.slice(beforeStart, beforeEnd) as JsonText)
        : null;
    const isUpsert = text.charCodeAt(afterStart) === 0x7b;
    if (isUpsert && this.#envelope.scannedBy !== layout) {
      scanRow(this.#scan, layout, text, afterStart, Infinity);
    }
    if (this.#newRow !== null) {
      const [start, end] = this.#newRow;
      this.#knownRows?.learn(this.#envelope, this.#scan, layout, start, end);
    }
    if (isUpsert) {
      this.#decodeUpsert(text, layout, time, before, known);
    } else {
      this.#decodeDelete(text, layout, time, before);
    }
  }

  /**
   * `key_only` looks like a wrapped delete that has lost its `after`, and
   * must not be taken for one; `row` has no field that tells of it at all.
   */
  #refuseOtherEnvelopes(text: string): void {
    const { afterStart, beforeStart, opStart, keyStart, updatedStart } =
      this.#envelope;
    if (afterStart >= 0) {
      const first = text.charCodeAt(afterStart);
      if (first !== 0x7b && first !== 0x6e) {
        throw this.#refusal('E1019', 'has an "after" that is no object');
      }
      return;
    }
    const isPhantom = keyStart < 0 && updatedStart >= 0 && this.#isQuery;
    const isDelete =
      beforeStart >= 0 || (opStart >= 0 && text.startsWith('"d"', opStart));
    if (isPhantom || isDelete) {
      return;
    }
    throw this.#refusal(
      'E1019',
      keyStart >= 0
        ? 'has a "key" but no "after" (envelope key_only?)'
        : 'has no "after" (envelope row?)',
    );
  }

  get #isQuery(): boolean {
    return this.#fixedTable !== undefined;
  }

  #decodeUpsert(
    text: string,
    layout: RowLayout,
    time: Timestamp,
    before: JsonText | null,
    known: KnownRows | null,
  ): void {
    const { afterStart, afterEnd } = this.#envelope;
    const scan = this.#scan;
    const plainKey =
      known !== null && this.#keys.mayBePlain(layout)
        ? known.plainKey(this.#envelope, scan)
        : null;
    const named = plainKey === null ? namedKey(scan, layout.table, text) : null;
    let after = text.slice(afterStart, afterEnd) as JsonText;
    if (scan.unknownCount > 0 || scan.renamedCount > 0) {
      after = this.#knownColumns(layout, after);
    }
    if (this.#isSuspect) {
      refuseUnstorable(layout, after, this.#context.takesNul);
    }
    const mutations = this.#mutationsFor(layout);
    const key = plainKey ?? this.#key(text, layout, named, mutations);
    mutations.push({ time, key, after, before });
    this.#rowCount += 1;
  }

  #decodeDelete(
    text: string,
    layout: RowLayout,
    time: Timestamp,
    before: JsonText | null,
  ): void {
    if (before === null && this.#envelope.keyStart < 0) {
      if (this.#isQuery && !this.#isBare) {
        this.#phantomDeleteCount += 1;
        return;
      }
      throw this.#keyMissing(layout);
    }
    let named: JsonText[] | null = null;
    if (before !== null) {
      scanRow(this.#scan, layout, text, this.#envelope.beforeStart, Infinity);
      named = namedKey(this.#scan, layout.table, text);
    }
    const mutations = this.#mutationsFor(layout);
    const key = this.#key(text, layout, named, mutations);
    mutations.push({ time, key, after: null, before });
    this.#rowCount += 1;
  }

  #mutationsFor(layout: RowLayout): Mutation[] {
    if (this.#mutationsOf !== layout) {
      this.#mutationsOf = layout;
      this.#mutations = this.#tables.get(layout) ?? [];
      this.#tables.set(layout, this.#mutations);
    }
    return this.#mutations;
  }

  #key(
    text: string,
    layout: RowLayout,
    named: JsonText[] | null,
    mutations: Mutation[],
  ): JsonText {
    const key = this.#keys.read(text, layout, named, mutations);
    if (key === null) {
      throw this.#keyMissing(layout);
    }
    return key;
  }

  #rowTime(text: string): Timestamp {
    const { updatedStart, updatedEnd, sourceStart } = this.#envelope;
    if (updatedStart >= 0 && text.charCodeAt(updatedStart) !== 0x6e) {
      return this.#parsedTime(text, updatedStart, updatedEnd);
    }
    if (text.charCodeAt(sourceStart) === 0x7b) {
      const source = text.slice(sourceStart, skipValue(text, sourceStart));
      const hlc = memberValue(source as JsonText, 'ts_hlc');
      if (hlc !== null) {
        return this.#parsedTime(hlc, 0, hlc.length);
      }
    }
    throw this.#refusal('E1010', 'carries no "updated" timestamp');
  }

  #parsedTime(text: string, start: number, end: number): Timestamp {
    if (end - start === 32 && text.startsWith(this.#time, start + 1)) {
      return this.#time;
    }
    const time =
      text.charCodeAt(start) === 0x22
        ? parseTimestampAt(text, start + 1, end - 1)
        : null;
    if (time === null) {
      throw this.#refusal(
        'E1018',
        'has a timestamp that is not of the form <nanoseconds>.<10 digits>',
      );
    }
    const { latest } = this.#context;
    if (latest !== undefined && time > latest) {
      throw aheadOfClock(
        time,
        latest,
        `the timestamp of row ${this.#rowNumber} of the request`,
      );
    }
    this.#time = time;
    return time;
  }

  /** The layout of the row's table; null when the row is to be ignored. */
  #rowLayout(text: string): RowLayout | null {
    if (this.#fixedTable !== undefined) {
      return this.#layout;
    }
    const { topicStart, topicEnd } = this.#envelope;
    const last = this.#topicToken;
    if (
      last !== '' &&
      last.length === topicEnd - topicStart &&
      text.startsWith(last, topicStart)
    ) {
      return this.#layout;
    }
    const topic =
      text.charCodeAt(topicStart) === 0x22
        ? unescape(text, topicStart + 1, topicEnd - 1)
        : '';
    if (topic === '') {
      throw this.#refusal(
        'E1011',
        'carries no "topic", so its table is not known',
      );
    }
    const table = knownTable(this.#context, topic, resolveTopic);
    this.#topicToken = text.slice(topicStart, topicEnd);
    this.#layout = table && rowLayout(table);
    return this.#layout;
  }

  readonly #hasColumn = (topic: JsonText | null, name: string): boolean => {
    let table = this.#fixedTable;
    if (table === undefined && topic !== null && jsonKind(topic) === 'string') {
      table = resolveTopic(this.#context.shape, jsonString(topic));
    }
    return table ? resolveColumn(table, name) !== null : false;
  };

  /** The row under the catalog's names; E1016 when a column is not there. */
  #knownColumns(layout: RowLayout, after: JsonText): JsonText {
    const values = columnValues(layout, after);
    const unknown = values.filter(({ column }) => column === null);
    if (unknown.length > 0 && this.#context.onUnknown === 'refuse') {
      const names = unknown.slice(0, 5).map(({ name }) => shownName(name));
      throw new ReplicatorError('E1016', {
        detail: `the target table ${JSON.stringify(layout.table.name)} has no column ${names.join(', ')}`,
      });
    }
    this.#ignoredColumnCount += unknown.length;
    return rewriteRow(values);
  }

  #keyMissing({ table }: RowLayout): ReplicatorError {
    return new ReplicatorError('E1012', {
      detail: `row ${this.#rowNumber} of the request carries no "key", and not all key columns of table ${JSON.stringify(table.name)} (${table.primaryKey.map(({ name }) => name).join(', ')})`,
    });
  }

  #refusal(code: ErrorCode, what: string): ReplicatorError {
    return new ReplicatorError(code, {
      detail: `row ${this.#rowNumber} of the request ${what}`,
    });
  }
}
