/** Rows as bound parameters: one array for each column. */
import type { JsonText } from '../../../mutation/mutation.ts';
import { viewOf } from '../../../lib/byte-view.ts';
import { type Cells, cellStride } from '../../cells.ts';
import { type ColumnarRows, rowKey } from '../../values/column-texts.ts';
import { settleUnstorable, type ValuePolicies } from '../../value-policy.ts';
import { codecOf } from './codec.ts';
import { type PlainTest, plainTest } from './plain-cells.ts';
import { type ElementWriter, elementWriter } from './values.ts';

/** Parameters as a Bind message has them: each its length and its text. */
export class BoundParameters {
  readonly count: number;
  #bytes: Buffer;

  constructor(count: number, bytes: Buffer) {
    this.count = count;
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Once they are sent they need not wait for the answer. */
  release(): void {
    this.#bytes = noBytes;
  }
}

const noBytes = Buffer.alloc(0);

/** One parameter for each text. */
export function textParameters(texts: readonly string[]): BoundParameters {
  const parts = texts.flatMap((text) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(lengthBytes);
    length.writeInt32BE(bytes.length);
    return [length, bytes];
  });
  return new BoundParameters(texts.length, Buffer.concat(parts));
}

/** Throws E4006 for a value that does not fit and is not replaced by policy. */
export function rowParameters(
  rows: ColumnarRows,
  policies: ValuePolicies,
): BoundParameters {
  const { table, columns, values } = rows;
  const arrays = new ArrayWriter(values.cells);
  columns.forEach((column, index) => {
    const codec = codecOf(column);
    const strictness =
      policies.policyOf(table, column) === 'error' ? 'silent' : 'full';
    const write = elementWriter(codec, {
      strictness,
      settle: (refusal, row) =>
        settleUnstorable(
          refusal,
          { table, column, keyOf: () => rowKey(rows, row) },
          policies,
        ),
    });
    const isPlain = plainTest(codec, strictness);
    if (isPlain) {
      arrays.addCells(index, isPlain, write);
    } else {
      arrays.addTexts(values.cells.tokens(index), write);
    }
  });
  return new BoundParameters(columns.length, arrays.bytes());
}

const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const lowerN = 0x6e;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const lengthBytes = 4;

/**
 * Array literals one behind the other. Most cells are copied as they lie
 * (values.ts says why they may be); of the others a text is made first.
 * Measured with six columns: 0.15 µs a row, 0.7 where of all texts are made.
 */
class ArrayWriter {
  readonly #cells: Cells;
  /** Of the sources that were met: those of other chunks may be many. */
  readonly #views: (DataView | undefined)[];
  #bytes: Buffer;
  #view: DataView;
  #at = 0;

  /** There is room for cells that are copied. */
  constructor(cells: Cells) {
    const { columnCount, rowCount, byteCount } = cells;
    this.#cells = cells;
    this.#bytes = Buffer.allocUnsafeSlow(
      byteCount + columnCount * (lengthBytes + 2 + rowCount),
    );
    this.#views = Array.from({ length: cells.sources.length });
    this.#view = viewOf(this.#bytes);
  }

  addCells(column: number, isPlain: PlainTest, write: ElementWriter): void {
    const { sources, places, rowCount, columnCount } = this.#cells;
    const stride = cellStride(columnCount);
    const start = this.#begin();
    for (let row = 0, place = 0; row < rowCount; row += 1, place += stride) {
      const source = sources[places[place]!]!;
      const view = (this.#views[places[place]!] ??= viewOf(source));
      const cellStart = places[place + 1 + 2 * column]!;
      const cellEnd = places[place + 2 + 2 * column]!;
      this.#reserve(cellEnd - cellStart + 1);
      const isNull = source[cellStart] === lowerN;
      let end =
        isNull || isPlain(source, cellStart, cellEnd)
          ? copied(view, cellStart, cellEnd, this.#view, this.#at)
          : notCopied;
      if (isNull) {
        // Over the `null` that was copied.
        this.#bytes.write('NULL', end - 4, 'latin1');
      }
      if (end === notCopied) {
        this.#addText(write(this.#cells.token(column, row), row));
        end = this.#at;
      }
      this.#bytes[end] = comma;
      this.#at = end + 1;
    }
    this.#end(start);
  }

  addTexts(tokens: readonly JsonText[], write: ElementWriter): void {
    const start = this.#begin();
    this.#addText(`${tokens.map(write).join(',')},`);
    this.#end(start);
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #begin(): number {
    const start = this.#at;
    this.#reserve(lengthBytes + 1);
    this.#bytes[start + lengthBytes] = openBrace;
    this.#at += lengthBytes + 1;
    return start;
  }

  /** Over the comma behind the last element. */
  #end(start: number): void {
    if (this.#bytes[this.#at - 1] === openBrace) {
      this.#at += 1;
    }
    this.#bytes[this.#at - 1] = closeBrace;
    this.#bytes.writeInt32BE(this.#at - start - lengthBytes, start);
  }

  /** With room for a comma behind it. */
  #addText(text: string): void {
    this.#reserve(Buffer.byteLength(text) + 1);
    this.#at += this.#bytes.write(text, this.#at);
  }

  #reserve(byteCount: number): void {
    const needed = this.#at + byteCount;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(needed, 2 * this.#bytes.length),
      );
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
  }
}

const notCopied = -1;
/** Longer cells are searched and copied at once, which has a price of its own. */
const nearBytes = 256;
const fourBackslashes = 0x5c5c5c5c;

/**
 * Where the cell ends in the bytes; {@link notCopied} where it is no element.
 * Four bytes at a time, which takes half as long as each by itself.
 */
function copied(
  source: DataView,
  start: number,
  end: number,
  bytes: DataView,
  at: number,
): number {
  const first = source.getUint8(start);
  if (first === openBracket || first === openBrace) {
    return notCopied;
  }
  if (end - start > nearBytes) {
    return copiedAtOnce(source, start, end, bytes, at);
  }
  let from = start;
  let to = at;
  for (; from <= end - 4; from += 4, to += 4) {
    const four = source.getInt32(from, true);
    // One of its bytes is zero where one of the four is a backslash.
    const zeroed = four ^ fourBackslashes;
    if (((zeroed - 0x01010101) & ~zeroed & 0x80808080) !== 0) {
      return notCopied;
    }
    bytes.setInt32(to, four, true);
  }
  for (; from < end; from += 1, to += 1) {
    const code = source.getUint8(from);
    if (code === backslash) {
      return notCopied;
    }
    bytes.setUint8(to, code);
  }
  return to;
}

function copiedAtOnce(
  source: DataView,
  start: number,
  end: number,
  bytes: DataView,
  at: number,
): number {
  const length = end - start;
  const cell = new Uint8Array(source.buffer, source.byteOffset + start, length);
  if (cell.includes(backslash)) {
    return notCopied;
  }
  new Uint8Array(bytes.buffer, bytes.byteOffset + at, length).set(cell);
  return at + length;
}
