/**
 * The envelopes in which a changefeed wraps a row.
 *
 * - wrapped: `{after, before?, key, topic, updated, mvcc_timestamp?, …}`
 * - enriched: the same and `{op, ts_ns, source: {ts_hlc, primary_keys, …}}`,
 *   with a schema inside `{payload: {…}, schema: {…}}`
 * - bare: the columns themselves, and `__crdb__: {updated, key, topic, …}`
 *
 * Fields that are not named here are let pass: later servers send more.
 */
import { skipBlank, unescape } from '../../../mutation/json-text.ts';
import {
  invalidAt,
  tooDeepAt,
  validateString,
  validateValue,
} from '../../../mutation/json-validation.ts';
import { type RowLayout, type RowScan, scanRow } from './columns.ts';

/** Where the fields of one row stand; -1: absent. Reused from row to row. */
export interface Envelope {
  afterStart: number;
  afterEnd: number;
  beforeStart: number;
  beforeEnd: number;
  keyStart: number;
  keyEnd: number;
  topicStart: number;
  topicEnd: number;
  updatedStart: number;
  updatedEnd: number;
  sourceStart: number;
  opStart: number;
  payloadStart: number;
  /** `__crdb__`, which makes the envelope a bare one. */
  metadataStart: number;
  /** The layout by which `after` was scanned on the way, if it was. */
  scannedBy: RowLayout | null;
}

export function newEnvelope(): Envelope {
  return {
    afterStart: -1,
    afterEnd: -1,
    beforeStart: -1,
    beforeEnd: -1,
    keyStart: -1,
    keyEnd: -1,
    topicStart: -1,
    topicEnd: -1,
    updatedStart: -1,
    updatedEnd: -1,
    sourceStart: -1,
    opStart: -1,
    payloadStart: -1,
    metadataStart: -1,
    scannedBy: null,
  };
}

function clearEnvelope(envelope: Envelope): void {
  envelope.afterStart = -1;
  envelope.beforeStart = -1;
  envelope.keyStart = -1;
  envelope.topicStart = -1;
  envelope.updatedStart = -1;
  envelope.sourceStart = -1;
  envelope.opStart = -1;
  envelope.payloadStart = -1;
  envelope.metadataStart = -1;
  envelope.scannedBy = null;
}

/**
 * Finds the fields of the row at `start`, validates it on the way and returns
 * the position behind it. A row mostly is of the same table as the one before
 * it: `after` is scanned by that table's layout, which saves a second walk.
 */
export function readEnvelope(
  envelope: Envelope,
  scan: RowScan,
  likely: RowLayout | null,
  text: string,
  start: number,
  depthLeft: number,
): number {
  clearEnvelope(envelope);
  return readFields(envelope, scan, likely, text, start, depthLeft);
}

/** Adds the fields of a nested object, over those of the outer one. */
export function readFields(
  envelope: Envelope,
  scan: RowScan,
  likely: RowLayout | null,
  text: string,
  start: number,
  depthLeft: number,
): number {
  if (depthLeft <= 0) {
    throw tooDeepAt(start);
  }
  let pos = skipBlank(text, start + 1);
  if (text.charCodeAt(pos) === 0x7d) {
    return pos + 1;
  }
  for (;;) {
    if (text.charCodeAt(pos) !== 0x22) {
      throw invalidAt(text, pos);
    }
    const nameEnd = validateString(text, pos);
    const colon = skipBlank(text, nameEnd);
    if (text.charCodeAt(colon) !== 0x3a) {
      throw invalidAt(text, colon);
    }
    const valueStart = skipBlank(text, colon + 1);
    const field = fieldAt(text, pos + 1, nameEnd - 1);
    let valueEnd: number;
    if (
      field === 'after' &&
      likely !== null &&
      text.charCodeAt(valueStart) === 0x7b
    ) {
      envelope.scannedBy = likely;
      valueEnd = scanRow(scan, likely, text, valueStart, depthLeft - 1);
    } else {
      valueEnd = validateValue(text, valueStart, depthLeft - 1);
    }
    if (field !== null) {
      setField(envelope, field, valueStart, valueEnd);
    }
    pos = skipBlank(text, valueEnd);
    const next = text.charCodeAt(pos);
    if (next === 0x7d) {
      return pos + 1;
    }
    if (next !== 0x2c) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, pos + 1);
  }
}

type Field =
  | 'after'
  | 'before'
  | 'key'
  | 'topic'
  | 'updated'
  | 'source'
  | 'op'
  | 'payload'
  | '__crdb__';

const fields: ReadonlySet<string> = new Set<Field>([
  'after',
  'before',
  'key',
  'topic',
  'updated',
  'source',
  'op',
  'payload',
  '__crdb__',
]);

/** By length and first letters: a slice and a hash would cost more. */
function fieldAt(text: string, start: number, end: number): Field | null {
  switch (end - start) {
    case 2:
      return text.startsWith('op', start) ? 'op' : null;
    case 3:
      return text.startsWith('key', start) ? 'key' : null;
    case 5:
      return text.startsWith('after', start)
        ? 'after'
        : text.startsWith('topic', start)
          ? 'topic'
          : null;
    case 6:
      return text.startsWith('before', start)
        ? 'before'
        : text.startsWith('source', start)
          ? 'source'
          : null;
    case 7:
      return text.startsWith('updated', start)
        ? 'updated'
        : text.startsWith('payload', start)
          ? 'payload'
          : escapedField(text, start, end);
    default:
      return text.startsWith('__crdb__', start) && end - start === 8
        ? '__crdb__'
        : escapedField(text, start, end);
  }
}

/** A name that is spelled with escapes is the same name. */
function escapedField(text: string, start: number, end: number): Field | null {
  const name = unescape(text, start, end);
  return name.length < end - start && fields.has(name) ? (name as Field) : null;
}

function setField(
  envelope: Envelope,
  field: Field,
  start: number,
  end: number,
): void {
  switch (field) {
    case 'after':
      envelope.afterStart = start;
      envelope.afterEnd = end;
      break;
    case 'before':
      envelope.beforeStart = start;
      envelope.beforeEnd = end;
      break;
    case 'key':
      envelope.keyStart = start;
      envelope.keyEnd = end;
      break;
    case 'topic':
      envelope.topicStart = start;
      envelope.topicEnd = end;
      break;
    case 'updated':
      envelope.updatedStart = start;
      envelope.updatedEnd = end;
      break;
    case 'source':
      envelope.sourceStart = start;
      break;
    case 'op':
      envelope.opStart = start;
      break;
    case 'payload':
      envelope.payloadStart = start;
      break;
    case '__crdb__':
      envelope.metadataStart = start;
      break;
  }
}
