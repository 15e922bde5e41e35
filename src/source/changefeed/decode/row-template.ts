/**
 * The fast way to read a row: by comparing it with one that was read before.
 *
 * Rows of a table repeat everything but their values:
 *
 *     {"after": {"id": 17, "state": "open"}, "key": [17], "topic": "orders", "updated": "…"}
 *     ‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾  ‾‾‾‾‾‾‾‾‾‾‾      ‾‾‾‾‾‾‾‾‾‾    ‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾   ‾
 *
 * What is underlined is the template: it was walked over and understood once,
 * by `readEnvelope` and `scanRow`. A row in which the same stands between valid
 * values means the same, so that only the values are left to be found. Where
 * anything else stands, the row is read the slow way: whatever comes, the
 * outcome is the same. Measured: 0.3 µs for a row of 240 bytes instead of 1.0.
 */
import { areSameBytes } from '../../../lib/byte-view.ts';
import { scanArray, scanObject } from '../../../mutation/json-text.ts';
import { validateValue } from '../../../mutation/json-validation.ts';
import type { RowLayout, RowScan } from './columns.ts';
import type { Envelope } from './envelope.ts';

export interface RowTemplate {
  readonly layout: RowLayout;
  /** What stands between the values, one piece behind the other. */
  readonly pieces: DataView;
  readonly stops: readonly Stop[];
  readonly unknownCount: number;
  readonly renamedCount: number;
  readonly marks: Readonly<Record<MarkName, Mark>>;
  /** Where the row that was read last has its stops; behind them -1. */
  readonly starts: number[];
}

/** Where a value begins, behind a piece of the template; the last is the end of the row. */
interface Stop {
  /** Where the piece before it ends in `pieces`. */
  readonly pieceEnd: number;
  /** How deep the value lies; 0 at the end of the row. */
  readonly depth: number;
  /** Position in the primary key of the column that has the value, or -1. */
  readonly keyOrdinal: number;
}

type MarkName =
  | 'afterStart'
  | 'afterEnd'
  | 'beforeStart'
  | 'beforeEnd'
  | 'keyStart'
  | 'keyEnd'
  | 'topicStart'
  | 'topicEnd'
  | 'updatedStart'
  | 'updatedEnd'
  | 'sourceStart'
  | 'opStart';

/** A place that always lies so many characters before a stop. */
interface Mark {
  readonly stop: number;
  readonly distance: number;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

/** Of larger rows what is repeated matters less; and memory is bounded. */
const maxTemplateBytes = 16_384;
/** As many as int8 has, and fewer than canonical-key.ts leaves as they are. */
const maxPlainDigits = 20;

/**
 * The template of the row between `start` and `end`, as it was just read and
 * scanned by its layout; null where rows like it are to be read the slow way.
 */
export function learnTemplate(
  envelope: Envelope,
  scan: RowScan,
  layout: RowLayout,
  text: string,
  start: number,
  end: number,
): RowTemplate | null {
  const stops: Stop[] = [];
  const marks: Partial<Record<MarkName, Mark>> = {};
  let unplaced: [MarkName, number][] = [];
  let pieces = '';
  let pieceStart = start;
  const mark = (name: MarkName, at: number): void => {
    unplaced.push([name, at]);
  };
  const stop = (from: number, to: number, depth: number): void => {
    pieces += text.slice(pieceStart, from);
    pieceStart = to;
    for (const [name, at] of unplaced) {
      marks[name] = { stop: stops.length, distance: from - at };
    }
    unplaced = [];
    const keyOrdinal = depth === 0 ? -1 : scan.keyStart.indexOf(from);
    stops.push({ pieceEnd: pieces.length, depth, keyOrdinal });
  };
  scanObject(text, start, (_nameStart, _nameEnd, from, to) => {
    const first = text.charCodeAt(from);
    const field = fieldAt(envelope, from);
    if (field !== null) {
      mark(`${field}Start`, from);
    }
    if (field === 'after' && first === OPEN_OBJECT) {
      scanObject(text, from, (_start, _end, valueFrom, valueTo) =>
        stop(valueFrom, valueTo, 2),
      );
    } else if (field === 'key' && first === OPEN_ARRAY) {
      scanArray(text, from, (valueFrom, valueTo) =>
        stop(valueFrom, valueTo, 2),
      );
    } else if (field !== 'after' && field !== 'topic') {
      stop(from, to, 1);
    }
    if (field !== null && field !== 'source' && field !== 'op') {
      mark(`${field}End`, to);
    }
  });
  stop(end, end, 0);
  if (marks.afterStart === undefined || pieces.length > maxTemplateBytes) {
    return null;
  }
  const absent: Mark = { stop: stops.length, distance: 0 };
  return {
    layout,
    pieces: new DataView(Uint8Array.from(Buffer.from(pieces, 'latin1')).buffer),
    stops,
    unknownCount: scan.unknownCount,
    renamedCount: scan.renamedCount,
    marks: {
      afterStart: marks.afterStart,
      afterEnd: marks.afterEnd ?? absent,
      beforeStart: marks.beforeStart ?? absent,
      beforeEnd: marks.beforeEnd ?? absent,
      keyStart: marks.keyStart ?? absent,
      keyEnd: marks.keyEnd ?? absent,
      topicStart: marks.topicStart ?? absent,
      topicEnd: marks.topicEnd ?? absent,
      updatedStart: marks.updatedStart ?? absent,
      updatedEnd: marks.updatedEnd ?? absent,
      sourceStart: marks.sourceStart ?? absent,
      opStart: marks.opStart ?? absent,
    },
    starts: Array.from({ length: stops.length + 1 }, () => -1),
  };
}

function fieldAt(
  envelope: Envelope,
  valueStart: number,
): 'after' | 'before' | 'key' | 'topic' | 'updated' | 'source' | 'op' | null {
  switch (valueStart) {
    case envelope.afterStart:
      return 'after';
    case envelope.beforeStart:
      return 'before';
    case envelope.keyStart:
      return 'key';
    case envelope.topicStart:
      return 'topic';
    case envelope.updatedStart:
      return 'updated';
    case envelope.sourceStart:
      return 'source';
    case envelope.opStart:
      return 'op';
    default:
      return null;
  }
}

/**
 * Reads the row at `start` as `readEnvelope` does, and scans it by the layout
 * of the template. Returns the position behind it; -1 where the template does
 * not tell what the row means. `bytes` are the characters of `text`, which is
 * ASCII.
 */
export function readByTemplate(
  template: RowTemplate,
  envelope: Envelope,
  scan: RowScan,
  text: string,
  bytes: DataView,
  start: number,
  depthLeft: number,
): number {
  const { layout, pieces, stops, starts } = template;
  if (layout.hasNameClash || depthLeft < 2) {
    return -1;
  }
  const { keyStart, keyEnd } = scan;
  for (let at = 0; at < layout.table.primaryKey.length; at += 1) {
    keyStart[at] = -1;
  }
  let pos = start;
  let pieceStart = 0;
  for (let index = 0; index < stops.length; index += 1) {
    const { pieceEnd, depth, keyOrdinal } = stops[index]!;
    const length = pieceEnd - pieceStart;
    if (
      pos + length > text.length ||
      !areSameBytes(bytes, pos, pieces, pieceStart, length)
    ) {
      return -1;
    }
    pos += length;
    pieceStart = pieceEnd;
    starts[index] = pos;
    if (depth > 0) {
      pos = valueEnd(text, bytes, pos, depthLeft - depth);
      if (pos < 0) {
        return -1;
      }
      if (keyOrdinal >= 0) {
        keyStart[keyOrdinal] = starts[index]!;
        keyEnd[keyOrdinal] = pos;
      }
    }
  }
  scan.unknownCount = template.unknownCount;
  scan.renamedCount = template.renamedCount;
  fillEnvelope(envelope, template);
  return pos;
}

function fillEnvelope(
  envelope: Envelope,
  { layout, marks, starts }: RowTemplate,
): void {
  envelope.afterStart = placeOf(marks.afterStart, starts);
  envelope.afterEnd = placeOf(marks.afterEnd, starts);
  envelope.beforeStart = placeOf(marks.beforeStart, starts);
  envelope.beforeEnd = placeOf(marks.beforeEnd, starts);
  envelope.keyStart = placeOf(marks.keyStart, starts);
  envelope.keyEnd = placeOf(marks.keyEnd, starts);
  envelope.topicStart = placeOf(marks.topicStart, starts);
  envelope.topicEnd = placeOf(marks.topicEnd, starts);
  envelope.updatedStart = placeOf(marks.updatedStart, starts);
  envelope.updatedEnd = placeOf(marks.updatedEnd, starts);
  envelope.sourceStart = placeOf(marks.sourceStart, starts);
  envelope.opStart = placeOf(marks.opStart, starts);
  envelope.payloadStart = -1;
  envelope.metadataStart = -1;
  envelope.scannedBy = layout;
}

function placeOf({ stop, distance }: Mark, starts: readonly number[]): number {
  return starts[stop]! - distance;
}

/**
 * Whether the valid value between `start` and `end` is a string or an integer
 * that is spelled canonically.
 */
export function isPlainValue(
  bytes: DataView,
  start: number,
  end: number,
): boolean {
  if (bytes.getUint8(start) === QUOTE) {
    return plainStringEnd(bytes, start, end) === end;
  }
  const isNegative = bytes.getUint8(start) === MINUS;
  const digits = isNegative ? start + 1 : start;
  return (
    end - start < maxPlainDigits &&
    digitsEnd(bytes, digits, end) === end &&
    !(isNegative && bytes.getUint8(digits) === ZERO)
  );
}

/**
 * The position behind the value, as `validateValue` finds it; -1 where it may
 * be none. The end of the bytes is that of the text: asking a DataView for its
 * length was 2 % of all that the daemon did.
 */
function valueEnd(
  text: string,
  bytes: DataView,
  start: number,
  depthLeft: number,
): number {
  const textEnd = text.length;
  if (start >= textEnd) {
    return -1;
  }
  switch (bytes.getUint8(start)) {
    case QUOTE: {
      const end = plainStringEnd(bytes, start, textEnd);
      return end >= 0 ? end : validateValue(text, start, depthLeft);
    }
    case OPEN_OBJECT:
    case OPEN_ARRAY:
    case 0x74: // true
    case 0x66: // false
    case 0x6e: // null
      return validateValue(text, start, depthLeft);
    default:
      return numberEnd(bytes, start, textEnd);
  }
}

/** -1 for a string with escapes, or that is none. */
function plainStringEnd(bytes: DataView, start: number, end: number): number {
  let pos = start + 1;
  for (; pos <= end - 4; pos += 4) {
    const word = bytes.getInt32(pos, true);
    const quote = (word ^ 0x22222222) - 0x01010101;
    const escape = (word ^ 0x5c5c5c5c) - 0x01010101;
    const found = (quote | escape | (word - 0x20202020)) & 0x80808080;
    if (found !== 0) {
      const at = pos + firstMarked(found);
      return bytes.getUint8(at) === QUOTE ? at + 1 : -1;
    }
  }
  for (; pos < end; pos += 1) {
    const byte = bytes.getUint8(pos);
    if (byte === QUOTE) {
      return pos + 1;
    }
    if (byte === BACKSLASH || byte < SPACE) {
      break;
    }
  }
  return -1;
}

/** The first byte of four that has its highest bit. */
function firstMarked(word: number): number {
  return (31 - Math.clz32(word & -word)) >> 3;
}

/** A number with an exponent ends too early for the template. */
function numberEnd(bytes: DataView, start: number, end: number): number {
  const whole = bytes.getUint8(start) === MINUS ? start + 1 : start;
  let pos = digitsEnd(bytes, whole, end);
  if (pos === whole || (bytes.getUint8(whole) === ZERO && pos > whole + 1)) {
    return -1;
  }
  if (pos < end && bytes.getUint8(pos) === DOT) {
    const fraction = pos + 1;
    pos = digitsEnd(bytes, fraction, end);
    if (pos === fraction) {
      return -1;
    }
  }
  return pos;
}

function digitsEnd(bytes: DataView, start: number, end: number): number {
  let pos = start;
  for (; pos <= end - 4; pos += 4) {
    const word = bytes.getInt32(pos, true);
    const found = ((word - 0x30303030) | (word + 0x46464646)) & 0x80808080;
    if (found !== 0) {
      return pos + firstMarked(found);
    }
  }
  while (pos < end) {
    const byte = bytes.getUint8(pos);
    if (byte < ZERO || byte > NINE) {
      break;
    }
    pos += 1;
  }
  return pos;
}
