/**
 * One request body of a changefeed, understood: rows, a resolved timestamp,
 * or nothing. A request is accepted whole or refused whole.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import {
  objectMembers,
  scanObject,
  skipBlank,
  unescape,
  validateJson,
} from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { parseTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import {
  type DecodeContext,
  type DecodedRows,
  knownTable,
  RowDecoder,
} from './rows.ts';
import { resolveTable } from './topic.ts';

export type { DecodeContext, DecodedRows } from './rows.ts';

export type DecodedRequest =
  | DecodedRows
  | { readonly kind: 'resolved'; readonly time: Timestamp }
  | { readonly kind: 'empty' };

/** Every throw is a ReplicatorError whose remedy tells what to change. */
export function decodeBody(
  text: string,
  context: DecodeContext,
): DecodedRequest {
  const start = skipBlank(text, 0);
  if (start === text.length) {
    return { kind: 'empty' };
  }
  validateJson(text, context);
  if (text.charCodeAt(start) !== 0x7b) {
    throw new ReplicatorError('E1019', {
      detail: 'the body is JSON, but not an object',
    });
  }
  let payloadStart = -1;
  let length: string | null = null;
  let resolved: JsonText | null = null;
  let isEmpty = true;
  scanObject(text, start, (nameStart, nameEnd, valueStart, valueEnd) => {
    isEmpty = false;
    switch (unescape(text, nameStart, nameEnd)) {
      case 'payload':
        payloadStart = valueStart;
        if (text.charCodeAt(valueStart) === 0x7b) {
          resolved = member(text.slice(valueStart, valueEnd), 'resolved');
        }
        break;
      case 'length':
        length = text.slice(valueStart, valueEnd);
        break;
      case 'resolved':
        resolved = text.slice(valueStart, valueEnd) as JsonText;
        break;
      case '__crdb__':
        resolved = member(text.slice(valueStart, valueEnd), 'resolved');
        break;
    }
  });
  if (isEmpty) {
    return { kind: 'empty' };
  }
  if (text.charCodeAt(payloadStart) === 0x5b) {
    return decodePayload(text, payloadStart, length, context);
  }
  if (resolved !== null) {
    return { kind: 'resolved', time: resolvedTime(resolved) };
  }
  throw new ReplicatorError('E1019', {
    detail: 'the body has neither a "payload" array nor a "resolved" timestamp',
  });
}

function decodePayload(
  text: string,
  start: number,
  length: string | null,
  context: DecodeContext,
): DecodedRequest {
  let pos = skipBlank(text, start + 1);
  let count = 0;
  let decoder: RowDecoder | null = null;
  while (text.charCodeAt(pos) !== 0x5d) {
    decoder ??= new RowDecoder(
      text,
      context,
      context.table === null
        ? undefined
        : knownTable(context, context.table, resolveTable),
    );
    pos = skipBlank(text, decoder.decodeRow(text, pos));
    count += 1;
    if (text.charCodeAt(pos) === 0x2c) {
      pos = skipBlank(text, pos + 1);
    }
  }
  if (length !== null && length !== String(count)) {
    throw new ReplicatorError('E1009', {
      detail: `"length" is ${length.slice(0, 40)}, and "payload" has ${count} rows`,
    });
  }
  return decoder?.finish() ?? { kind: 'empty' };
}

function member(object: string, wanted: string): JsonText | null {
  return object.startsWith('{')
    ? (objectMembers(object as JsonText).find(({ name }) => name === wanted)
        ?.value ?? null)
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
