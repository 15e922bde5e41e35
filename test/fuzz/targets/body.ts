/**
 * Bodies of requests, against JSON.parse and a second reader of envelopes
 * that works on its objects. The first byte chooses how the rows name their
 * table and what becomes of unknown ones, the rest is the body.
 */
import assert from 'node:assert/strict';
import { isAscii, isUtf8 } from 'node:buffer';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import {
  decodeBody,
  type DecodedRequest,
} from '../../../src/source/changefeed/decode/decode.ts';
import type { DecodeContext } from '../../../src/source/changefeed/decode/decode-context.ts';
import { decodeUtf8 } from '../../../src/source/changefeed/decode/inflate.ts';
import { decodeNdjson } from '../../../src/source/changefeed/decode/ndjson.ts';
import {
  decodeContext,
  schemaShape,
  tableShape,
} from '../../source/changefeed/decode/shapes.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import {
  depthOf,
  type JsonValue,
  parsedJson,
  type ParsedObject,
} from './parsed-json.ts';
import { checkRows, checkResolved, isPlainRequest } from './body-model.ts';

const maxDepth = 12;
const maxLineBytes = 1_024;

interface Mode {
  readonly table: string | null;
  readonly onUnknown: 'refuse' | 'ignore';
  readonly ndjsonTopic: string | null;
}

const modes: readonly Mode[] = [
  { table: null, onUnknown: 'refuse', ndjsonTopic: null },
  { table: null, onUnknown: 'ignore', ndjsonTopic: null },
  { table: 'orders', onUnknown: 'refuse', ndjsonTopic: null },
  { table: 'pairs', onUnknown: 'ignore', ndjsonTopic: null },
  { table: null, onUnknown: 'refuse', ndjsonTopic: 'shop.public.orders' },
  { table: 'pairs', onUnknown: 'ignore', ndjsonTopic: 'x' },
];

export const target: FuzzTarget = {
  name: 'body',
  covers: ['/src/source/changefeed/decode/', '/src/mutation/'],
  dictionary: [
    '{"payload":[',
    '],"length":1}',
    '{"resolved":"1732000000000000000.0000000000"}',
    '"__crdb__":{',
    '"after":',
    '"after":null',
    '"before":',
    '"key":[1]',
    '"key":{"id":1}',
    '"topic":"orders"',
    '"topic":"pairs"',
    '"topic":"shop.public.pairs"',
    '"topic":"keyless"',
    '"updated":"1732000000000000000.0000000001"',
    '"payload":{',
    '"schema":{}',
    '"op":"d"',
    '"source":{"ts_hlc":"1732000000000000000.0000000002"}',
    '"primary_keys":["b","a"]',
    '"id":',
    '"ID":',
    '"amount":',
    '"note":',
    '"total":',
    '"a":1,"b":2',
    '"v":',
    '\\u0061fter',
    '\\u0000',
    '\\ud83e\\udd94',
    '\\ud800',
    '\xf0\x9f\xa6\x94',
    '\xef\xbb\xbf',
    '\n',
    ',',
    '{}',
    '[]',
    'null',
    'true',
    '-0',
    '1e400',
    '1.0',
    '0.10',
    '"__proto__":',
    '"constructor":',
  ],
  check(input) {
    const bytes = input.subarray(1);
    const mode = modes[(input[0] ?? 0) % modes.length]!;
    let text: string;
    try {
      text = decodeUtf8(bytes);
    } catch (error) {
      assert.equal((error as ReplicatorError).code, 'E1002');
      assert.ok(!isUtf8(bytes));
      return 'E1002';
    }
    assert.equal(Buffer.compare(Buffer.from(text), bytes), 0);
    // Of its own, so that nothing is known from an earlier input.
    const newContext = () =>
      decodeContext(
        schemaShape(
          tableShape('orders', ['id'], ['amount', 'note'], ['total']),
          tableShape('pairs', ['a', 'b'], ['v']),
          tableShape('keyless', [], ['v']),
        ),
        { table: mode.table, onUnknown: mode.onUnknown, maxDepth },
      );
    return mode.ndjsonTopic === null
      ? checkBody(text, newContext)
      : checkFile(text, newContext(), mode.ndjsonTopic);
  },
};

function checkBody(text: string, newContext: () => DecodeContext): string {
  const parsed = parsedJson(text);
  const context = newContext();
  const outcome = outcomeOf(() => decodeBody(text, context));
  checkKnownRows(text, newContext(), outcome);
  if (parsed === undefined) {
    const isBlank = /^[ \t\r\n]*$/.test(text);
    assert.ok(
      outcome instanceof ReplicatorError ||
        (isBlank && outcome.kind === 'empty'),
      'what is no JSON was taken',
    );
  } else if (outcome instanceof ReplicatorError) {
    checkRefusal(outcome, depthOf(text));
    assert.ok(
      !isPlainRequest(parsed, context),
      `a plain request was refused: ${outcome.line}`,
    );
  } else {
    assert.ok(depthOf(text) <= maxDepth, 'deeper than allowed');
    checkAccepted(outcome, parsed, context);
  }
  return wordOf(outcome);
}

/** The same once more, by rows that are like earlier ones. */
function checkKnownRows(
  text: string,
  context: DecodeContext,
  expected: DecodedRequest | ReplicatorError,
): void {
  const bytes = Buffer.from(text);
  if (isAscii(bytes)) {
    const known = outcomeOf(() => decodeBody(text, context, bytes));
    if (expected instanceof ReplicatorError) {
      assert.equal((known as Partial<ReplicatorError>).line, expected.line);
    } else {
      assert.deepEqual(known, expected);
    }
  }
}

function checkAccepted(
  outcome: DecodedRequest,
  parsed: JsonValue,
  context: DecodeContext,
): void {
  assert.ok(parsed instanceof Map);
  const payload = parsed.get('payload');
  if (outcome.kind === 'rows') {
    assert.ok(Array.isArray(payload));
    checkRows(outcome, payload, context, context.table);
  } else if (outcome.kind === 'resolved') {
    checkResolved(outcome.time, parsed);
  } else {
    assert.ok(
      parsed.size === 0 || (Array.isArray(payload) && payload.length === 0),
      'taken for empty',
    );
  }
}

function checkFile(
  text: string,
  context: DecodeContext,
  topic: string,
): string {
  const lines = text.split('\n').filter((line) => !/^[ \t\r]*$/.test(line));
  const parsed = lines.map((line) => parsedJson(line));
  const outcome = outcomeOf(() =>
    decodeNdjson(text, context, maxLineBytes, topic),
  );
  if (parsed.includes(undefined)) {
    assert.ok(outcome instanceof ReplicatorError, 'what is no JSON was taken');
  } else if (outcome instanceof ReplicatorError) {
    checkRefusal(outcome, Math.max(0, ...lines.map(depthOf)));
  } else {
    assert.ok(
      lines.every((line) => depthOf(line) <= maxDepth),
      'deeper',
    );
    assert.equal(outcome.kind, lines.length === 0 ? 'empty' : 'rows');
    if (outcome.kind === 'rows') {
      const table = context.table ?? 'orders';
      checkRows(outcome, parsed as readonly ParsedObject[], context, table);
    }
  }
  return `file ${wordOf(outcome)}`;
}

/** JSON that is refused is refused for another reason than being none. */
function checkRefusal(error: ReplicatorError, depth: number): void {
  assert.notEqual(error.code, 'E1001', 'JSON was refused as none');
  assert.ok(error.code !== 'E1004' || depth > maxDepth, 'not too deep at all');
}

function outcomeOf(
  decode: () => DecodedRequest,
): DecodedRequest | ReplicatorError {
  try {
    return decode();
  } catch (error) {
    assert.ok(error instanceof ReplicatorError, (error as Error).stack!);
    assert.match(error.code, /^E10/);
    return error;
  }
}

function wordOf(outcome: DecodedRequest | ReplicatorError): string {
  if (outcome instanceof ReplicatorError) {
    return `${outcome.code} ${outcome.message.replaceAll(/\d+|".*"/g, '').slice(0, 60)}`;
  }
  return outcome.kind === 'rows'
    ? `rows ${Math.min(outcome.rowCount, 3)} ${outcome.tables.length}`
    : outcome.kind;
}
