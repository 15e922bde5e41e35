/**
 * Rows as they stand in changes: a count of columns, and for each `t` with a
 * length and its text, `n` for null, or `u` for a large value that the change
 * did not touch and the source did not send.
 *
 * What `row` and `old` found is kept until they are called again: `rowKey` and
 * `oldKey` ask for it.
 */
import { canonicalKey } from '../../../mutation/canonical-key.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { protocolError, unlocated } from './change-errors.ts';
import { JsonWriter } from './json-writer.ts';
import { cutShort, readUInt16, readUInt32 } from './message-fields.ts';
import type { ColumnPlan, TablePlan } from './table-plan.ts';

const textValue = 0x74; // t
const nullValue = 0x6e; // n
const unchangedValue = 0x75; // u

/** In place of a length. */
const isNull = -1;
const isAbsent = -2;

export class TupleReader {
  /** Values that the last row lacks. */
  absentCount = 0;
  /** Values of ignored columns, in all rows. */
  ignoredCount = 0;

  readonly #writer = new JsonWriter();
  /** Where the values of the key lie in what was written; -1: not there. */
  readonly #keyStarts: number[] = [];
  readonly #keyEnds: number[] = [];
  /** Where the values of the old tuple lie in the payload. */
  readonly #oldStarts: number[] = [];
  readonly #oldLengths: number[] = [];
  #hasOld = false;

  /** The row that follows has no old tuple beside it. */
  forgetOld(): void {
    this.#hasOld = false;
  }

  /**
   * The tuple at `start` as a JSON object. What was not sent is taken from the
   * old tuple, where that has it.
   */
  row(plan: TablePlan, payload: Buffer, start: number): JsonText {
    const { columns } = plan;
    const { length: end } = payload;
    const writer = this.#writer;
    const count = columns.length;
    expectCount(plan, payload, start);
    writer.reset();
    this.absentCount = 0;
    let at = start + 2;
    for (let index = 0; index < count; index += 1) {
      const column = columns[index]!;
      const kind = payload[at];
      at += 1;
      if (kind !== textValue) {
        this.#untold(plan, payload, { index, kind });
        continue;
      }
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
        this.ignoredCount += 1;
        continue;
      }
      writer.member(column.prefix);
      const { keyPlace } = column;
      if (keyPlace >= 0) {
        this.#keyStarts[keyPlace] = writer.length;
        writer.value(column.type, payload, valueStart, at);
        this.#keyEnds[keyPlace] = writer.length;
      } else {
        writer.value(column.type, payload, valueStart, at);
      }
    }
    writer.endObject();
    return writer.text();
  }

  /** A value of the row that has no text of its own. */
  #untold(
    plan: TablePlan,
    payload: Buffer,
    place: { readonly index: number; readonly kind: number | undefined },
  ): void {
    const { index, kind } = place;
    if (kind !== nullValue && kind !== unchangedValue) {
      throw kindError(plan, payload, kind);
    }
    const column = plan.columns[index]!;
    if (column.isIgnored) {
      return;
    }
    const length =
      kind === nullValue
        ? isNull
        : this.#hasOld
          ? this.#oldLengths[index]!
          : isAbsent;
    const { keyPlace } = column;
    if (length === isAbsent) {
      this.absentCount += 1;
      if (keyPlace >= 0) {
        this.#keyStarts[keyPlace] = -1;
      }
      return;
    }
    const writer = this.#writer;
    writer.member(column.prefix);
    if (keyPlace >= 0) {
      this.#keyStarts[keyPlace] = writer.length;
    }
    this.#oldValue(column, payload, { index, length });
    if (keyPlace >= 0) {
      this.#keyEnds[keyPlace] = writer.length;
    }
  }

  /** The key of the row that was just read. */
  rowKey(plan: TablePlan, change: string): JsonText {
    if (plan.missingKeyColumns.length > 0 || plan.keySources.length === 0) {
      throw unlocated(plan, change);
    }
    const lone = plan.isKeyed ? this.#loneKey(plan) : null;
    if (lone !== null) {
      return lone;
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

  /**
   * A key of one column whose value is canonical as it is written, which is
   * nearly every one: read out in one piece, an eighth of what a row takes less.
   * Null where it is another one.
   */
  #loneKey({ columns, keySources }: TablePlan): JsonText | null {
    const start = this.#keyStarts[0]!;
    if (keySources.length !== 1 || start < 0) {
      return null;
    }
    const { kind } = columns[keySources[0]!]!.type;
    if (kind !== 'digits' && kind !== 'text') {
      return null;
    }
    const key = this.#writer.bracketed(start, this.#keyEnds[0]!);
    return kind === 'text' && key.includes('\\') ? null : key;
  }

  /**
   * Finds the values of an old tuple, whole (`O`) or of the replica identity
   * alone (`K`); returns the position behind it.
   */
  old(plan: TablePlan, payload: Buffer, start: number): number {
    const { columns } = plan;
    const isWhole = payload[start - 1] === wholeOldTuple;
    expectCount(plan, payload, start);
    this.#hasOld = true;
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
        throw kindError(plan, payload, kind);
      }
      this.#oldLengths[index] = length;
    }
    return at;
  }

  /** The key of the row that `old` has found. */
  oldKey(plan: TablePlan, payload: Buffer, change: string): JsonText {
    const writer = this.#writer;
    const elements: JsonText[] = [];
    for (const index of plan.keySources) {
      const length = index < 0 ? isAbsent : this.#oldLengths[index]!;
      if (length === isAbsent) {
        throw unlocated(plan, change);
      }
      writer.reset();
      this.#oldValue(plan.columns[index]!, payload, { index, length });
      elements.push(writer.text());
    }
    return canonicalKey(elements);
  }

  #oldValue(
    column: ColumnPlan,
    payload: Buffer,
    place: { readonly index: number; readonly length: number },
  ): void {
    if (place.length === isNull) {
      this.#writer.null();
    } else {
      const start = this.#oldStarts[place.index]!;
      this.#writer.value(column.type, payload, start, start + place.length);
    }
  }
}

export const newTuple = 0x4e; // N
export const keyOldTuple = 0x4b; // K
export const wholeOldTuple = 0x4f; // O

function expectCount(plan: TablePlan, payload: Buffer, at: number): void {
  const count = readUInt16(payload, at);
  if (count !== plan.columns.length) {
    throw protocolError(
      plan,
      `a row of ${count} columns, having described ${plan.columns.length}`,
    );
  }
}

function kindError(
  plan: TablePlan,
  payload: Buffer,
  kind: number | undefined,
): Error {
  return kind === undefined
    ? cutShort(payload)
    : protocolError(plan, `a value of the unknown kind ${kind}`);
}
