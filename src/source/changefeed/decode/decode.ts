/**
 * One request body of a changefeed, understood: rows, a resolved timestamp,
 * or nothing. A request is accepted whole or refused whole.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import {
  memberValue,
  skipBlank,
  unescape,
} from '../../../mutation/json-text.ts';
import {
  invalidAt,
  validateEnd,
  validateJson,
  validateString,
  validateValue,
} from '../../../mutation/json-validation.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { parseTimestamp, type Timestamp } from '../../../mutation/timestamp.ts';
import {
  aheadOfClock,
  type DecodeContext,
  type DecodedRows,
  knownTable,
} from './decode-context.ts';
import { RowDecoder } from './rows.ts';
import { resolveTable } from './topic.ts';

export type DecodedRequest =
  | DecodedRows
  | { readonly kind: 'resolved'; readonly time: Timestamp }
  | { readonly kind: 'empty' };

/** What stands at the top of a body. */
interface BodyFields {
  /** Whether there is a `payload`; its decoder is null when it is empty. */
  hasPayload: boolean;
  decoder: RowDecoder | null;
  rowCount: number;
  length: string | null;
  resolved: JsonText | null;
  isEmpty: boolean;
}

/**
 * `bytes` is the same as `text` where that is ASCII, else null. Every throw is
 * a ReplicatorError whose remedy tells what to change.
 */
export function decodeBody(
  text: string,
  context: DecodeContext,
  bytes: Uint8Array | null = null,
): DecodedRequest {
  const start = skipBlank(text, 0);
  if (start === text.length) {
    return { kind: 'empty' };
  }
  if (text.charCodeAt(start) !== 0x7b) {
    validateJson(text, context);
    throw new ReplicatorError('E1019', {
      detail: 'the body is JSON, but not an object',
    });
  }
  const { hasPayload, decoder, rowCount, length, resolved, isEmpty } =
    bodyFields(text, bytes, start, context);
  if (hasPayload) {
    if (length !== null && length !== String(rowCount)) {
      throw new ReplicatorError('E1009', {
        detail: `"length" is ${/^\d{1,20}$/.test(length) ? length : 'something else'}, and "payload" has ${rowCount} rows`,
      });
    }
    return decoder?.finish() ?? { kind: 'empty' };
  }
  if (resolved !== null) {
    const time = resolvedTime(resolved);
    const { latest } = context;
    if (latest !== undefined && time > latest) {
      throw aheadOfClock(time, latest, 'the resolved timestamp');
    }
    return { kind: 'resolved', time };
  }
  if (isEmpty) {
    return { kind: 'empty' };
  }
  throw new ReplicatorError('E1019', {
    detail: 'the body has neither a "payload" array nor a "resolved" timestamp',
  });
}

/** Reads and validates the body in one walk; rows are decoded on the way. */
function bodyFields(
  text: string,
  bytes: Uint8Array | null,
  start: number,
  context: DecodeContext,
): BodyFields {
  const found: BodyFields = {
    hasPayload: false,
    decoder: null,
    rowCount: 0,
    length: null,
    resolved: null,
    isEmpty: true,
  };
  let pos = skipBlank(text, start + 1);
  if (text.charCodeAt(pos) !== 0x7d) {
    found.isEmpty = false;
    pos = bodyField(found, text, bytes, pos, context);
    while (text.charCodeAt(pos) === 0x2c) {
      pos = bodyField(found, text, bytes, skipBlank(text, pos + 1), context);
    }
    if (text.charCodeAt(pos) !== 0x7d) {
      throw invalidAt(text, pos);
    }
  }
  validateEnd(text, pos + 1);
  return found;
}

function bodyField(
  found: BodyFields,
  text: string,
  bytes: Uint8Array | null,
  start: number,
  context: DecodeContext,
): number {
  if (text.charCodeAt(start) !== 0x22) {
    throw invalidAt(text, start);
  }
  const nameEnd = validateString(text, start);
  const name = unescape(text, start + 1, nameEnd - 1);
  const colon = skipBlank(text, nameEnd);
  if (text.charCodeAt(colon) !== 0x3a) {
    throw invalidAt(text, colon);
  }
  const valueStart = skipBlank(text, colon + 1);
  if (name === 'payload' && text.charCodeAt(valueStart) === 0x5b) {
    return skipBlank(
      text,
      decodePayload(found, text, bytes, valueStart, context),
    );
  }
  const valueEnd = validateValue(text, valueStart, context.maxDepth - 1);
  const value = text.slice(valueStart, valueEnd) as JsonText;
  if (name === 'length') {
    found.length = value;
  } else if (name === 'resolved') {
    found.resolved = value;
  } else if (name === '__crdb__' || name === 'payload') {
    found.resolved = member(value, 'resolved') ?? found.resolved;
  }
  return skipBlank(text, valueEnd);
}

/** Decodes the array of rows; returns the position behind it. */
function decodePayload(
  found: BodyFields,
  text: string,
  bytes: Uint8Array | null,
  start: number,
  context: DecodeContext,
): number {
  let pos = skipBlank(text, start + 1);
  found.rowCount = 0;
  found.decoder = null;
  found.hasPayload = true;
  if (text.charCodeAt(pos) === 0x5d) {
    return pos + 1;
  }
  const decoder = new RowDecoder(
    text,
    bytes,
    context,
    context.table === null
      ? undefined
      : knownTable(context, context.table, resolveTable),
  );
  for (;;) {
    pos = skipBlank(text, decoder.decodeRow(text, pos, context.maxDepth - 2));
    found.rowCount += 1;
    const next = text.charCodeAt(pos);
    if (next === 0x5d) {
      found.decoder = decoder;
      return pos + 1;
    }
    if (next !== 0x2c) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, pos + 1);
  }
}

function member(object: string, wanted: string): JsonText | null {
  return object.startsWith('{')
    ? memberValue(object as JsonText, wanted)
    : null;
}

function resolvedTime(token: JsonText): Timestamp {
  const time = token.startsWith('"')
    ? parseTimestamp(unescape(token, 1, token.length - 1))
    : null;
  if (time === null) {
    throw new ReplicatorError('E1018', {
      detail:
        'the "resolved" timestamp is not of the form <nanoseconds>.<10 digits>',
    });
  }
  return time;
}
