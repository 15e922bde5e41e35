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
  readonly places: Places;
  /** By stop, where the row that was read last has it; one more for absent ones. */
  readonly starts: number[];
  readonly ends: number[];
}

/** A place in a row, behind a piece of the template. */
interface Stop {
  /** Where the piece before it ends in `bytes`. */
  readonly pieceEnd: number;
  /** How deep the value lies that stands there; 0: none does. */
  readonly depth: number;
  /** Position in the primary key of the column that has the value, or -1. */
  readonly keyOrdinal: number;
}

/** At which stops the fields of a row begin. */
interface Places {
  after: number;
  afterEnd: number;
  before: number;
  key: number;
  keyEnd: number;
  topic: number;
  topicEnd: number;
  updated: number;
  source: number;
  op: number;
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
  let pieces = '';
  let pieceStart = start;
  const stopAt = (at: number, depth: number, keyOrdinal = -1): number => {
    pieces += text.slice(pieceStart, at);
    pieceStart = at;
    return stops.push({ pieceEnd: pieces.length, depth, keyOrdinal }) - 1;
  };
  const absent = -1;
  const places: Places = {
    after: absent,
    afterEnd: absent,
    before: absent,
    key: absent,
    keyEnd: absent,
    topic: absent,
    topicEnd: absent,
    updated: absent,
    source: absent,
    op: absent,
  };
  scanObject(text, start, (_nameStart, _nameEnd, valueStart, valueEnd) => {
    if (valueStart === envelope.afterStart) {
      places.after = stopAt(valueStart, 0);
      if (text.charCodeAt(valueStart) === OPEN_OBJECT) {
        scanObject(text, valueStart, (_start, _end, columnStart, columnEnd) => {
          stopAt(columnStart, 2, scan.keyStart.indexOf(columnStart));
          pieceStart = columnEnd;
        });
      }
      places.afterEnd = stopAt(valueEnd, 0);
    } else if (
      valueStart === envelope.keyStart &&
      text.charCodeAt(valueStart) === OPEN_ARRAY
    ) {
      places.key = stopAt(valueStart, 0);
      scanArray(text, valueStart, (elementStart, elementEnd) => {
        stopAt(elementStart, 2);
        pieceStart = elementEnd;
      });
      places.keyEnd = stopAt(valueEnd, 0);
    } else if (valueStart === envelope.topicStart) {
      places.topic = stopAt(valueStart, 0);
      places.topicEnd = stopAt(valueEnd, 0);
    } else {
      const stop = stopAt(valueStart, 1);
      pieceStart = valueEnd;
      const field = fieldThere(envelope, valueStart);
      if (field !== null) {
        places[field] = stop;
      }
      if (field === 'key') {
        places.keyEnd = stop;
      }
    }
  });
  stopAt(end, 0);
  if (places.after === absent || pieces.length > maxTemplateBytes) {
    return null;
  }
  for (const field of Object.keys(places) as (keyof Places)[]) {
    places[field] = places[field] === absent ? stops.length : places[field];
  }
  const found = Array.from({ length: stops.length + 1 }, () => -1);
  return {
    layout,
    pieces: new DataView(Uint8Array.from(Buffer.from(pieces, 'latin1')).buffer),
    stops,
    unknownCount: scan.unknownCount,
    renamedCount: scan.renamedCount,
    places,
    starts: found,
    ends: [...found],
  };
}

function fieldThere(
  { beforeStart, keyStart, updatedStart, sourceStart, opStart }: Envelope,
  valueStart: number,
): 'before' | 'key' | 'updated' | 'source' | 'op' | null {
  switch (valueStart) {
    case beforeStart:
      return 'before';
    case keyStart:
      return 'key';
    case updatedStart:
      return 'updated';
    case sourceStart:
      return 'source';
    case opStart:
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
  const { layout, pieces, stops, starts, ends } = template;
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
    if (!areSameBytes(bytes, pos, pieces, pieceStart, length)) {
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
    ends[index] = pos;
  }
  scan.unknownCount = template.unknownCount;
  scan.renamedCount = template.renamedCount;
  fillEnvelope(envelope, template);
  return pos;
}

function fillEnvelope(
  envelope: Envelope,
  { layout, places, starts, ends }: RowTemplate,
): void {
  envelope.afterStart = starts[places.after]!;
  envelope.afterEnd = starts[places.afterEnd]!;
  envelope.beforeStart = starts[places.before]!;
  envelope.beforeEnd = ends[places.before]!;
  envelope.keyStart = starts[places.key]!;
  envelope.keyEnd = ends[places.keyEnd]!;
  envelope.topicStart = starts[places.topic]!;
  envelope.topicEnd = starts[places.topicEnd]!;
  envelope.updatedStart = starts[places.updated]!;
  envelope.updatedEnd = ends[places.updated]!;
  envelope.sourceStart = starts[places.source]!;
  envelope.opStart = starts[places.op]!;
  envelope.payloadStart = -1;
  envelope.metadataStart = -1;
  envelope.scannedBy = layout;
}

/** Four at a time: `startsWith` takes six times as long. */
export function areSameBytes(
  left: DataView,
  leftStart: number,
  right: DataView,
  rightStart: number,
  length: number,
): boolean {
  if (leftStart + length > left.byteLength) {
    return false;
  }
  let at = 0;
  for (; at <= length - 4; at += 4) {
    if (
      left.getInt32(leftStart + at, true) !==
      right.getInt32(rightStart + at, true)
    ) {
      return false;
    }
  }
  for (; at < length; at += 1) {
    if (left.getUint8(leftStart + at) !== right.getUint8(rightStart + at)) {
      return false;
    }
  }
  return true;
}

/** Whether the valid value there is a string or an integer that is spelled canonically. */
export function isPlainValue(
  bytes: DataView,
  start: number,
  end: number,
): boolean {
  if (bytes.getUint8(start) === QUOTE) {
    return plainStringEnd(bytes, start) === end;
  }
  const isNegative = bytes.getUint8(start) === MINUS;
  const digits = isNegative ? start + 1 : start;
  return (
    end - start < maxPlainDigits &&
    digitsEnd(bytes, digits) === end &&
    !(isNegative && bytes.getUint8(digits) === ZERO)
  );
}

/**
 * The position behind the value, as `validateValue` finds it; -1 where it may
 * be none.
 */
function valueEnd(
  text: string,
  bytes: DataView,
  start: number,
  depthLeft: number,
): number {
  if (start >= bytes.byteLength) {
    return -1;
  }
  const first = bytes.getUint8(start);
  if (first === QUOTE) {
    const end = plainStringEnd(bytes, start);
    if (end >= 0) {
      return end;
    }
  } else if (first <= NINE) {
    return numberEnd(bytes, start);
  }
  return validateValue(text, start, depthLeft);
}

/** -1 for a string with escapes, or that is none. */
function plainStringEnd(bytes: DataView, start: number): number {
  let pos = start + 1;
  const end = bytes.byteLength;
  for (; pos <= end - 4; pos += 4) {
    const word = bytes.getInt32(pos, true);
    const quote = (word ^ 0x22222222) - 0x01010101;
    const escape = (word ^ 0x5c5c5c5c) - 0x01010101;
    if (((quote | escape | (word - 0x20202020)) & 0x80808080) !== 0) {
      break;
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

/** A number with an exponent ends too early for the template. */
function numberEnd(bytes: DataView, start: number): number {
  const whole = bytes.getUint8(start) === MINUS ? start + 1 : start;
  let pos = digitsEnd(bytes, whole);
  if (pos === whole || (bytes.getUint8(whole) === ZERO && pos > whole + 1)) {
    return -1;
  }
  if (pos < bytes.byteLength && bytes.getUint8(pos) === DOT) {
    const fraction = pos + 1;
    pos = digitsEnd(bytes, fraction);
    if (pos === fraction) {
      return -1;
    }
  }
  return pos;
}

function digitsEnd(bytes: DataView, start: number): number {
  let pos = start;
  while (pos < bytes.byteLength) {
    const byte = bytes.getUint8(pos);
    if (byte < ZERO || byte > NINE) {
      break;
    }
    pos += 1;
  }
  return pos;
}
