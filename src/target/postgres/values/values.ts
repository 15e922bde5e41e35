/**
 * JSON tokens to the text forms of PostgreSQL, without ever making numbers.
 *
 * A column of rows becomes one array literal. Most tokens pass as they are:
 * digits and booleans are valid unquoted elements, and a JSON string is a valid
 * quoted element as long as its only escapes are `\\`, `\"` and `\/`, for an
 * array literal takes the character behind a backslash literally.
 */
import {
  arrayElements,
  jsonString,
  objectMembers,
} from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ValueCheck } from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import type { PostgresCodec } from './codec.ts';
import { checkOfLimit, isSilent, type PostgresLimit } from './limits.ts';

/**
 * `silent`: refuses what PostgreSQL would change without a word; what it
 * refuses itself passes as it came. `full`: refuses that too, as far as the
 * limits of the type are known here.
 */
export type Strictness = 'silent' | 'full';

export interface ElementOptions {
  readonly strictness: Strictness;
  /** What is written instead of a value that does not fit; or throws. */
  readonly settle: (refusal: UnstorableValue, row: number) => string | null;
}

/** Makes a value of a row an element of its column's array. */
export type ElementWriter = (token: JsonText, row: number) => string;

/** Escapes that mean something else inside an array literal. */
const foreignEscape = /\\[bfnrtu]/;
const jsonNullObject = /^\{\s*"__crdb_json_null__"\s*:\s*true\s*\}$/;

export function elementWriter(
  codec: PostgresCodec,
  { strictness, settle }: ElementOptions,
): ElementWriter {
  // Looked up once, not for each value.
  const write =
    codec.kind === 'scalar'
      ? scalarWriter(checkOf(codec.limit, strictness))
      : (token: JsonText) => element(codec, token, strictness);
  return (token, row) => {
    try {
      return write(token);
    } catch (error) {
      if (!(error instanceof UnstorableValue)) {
        throw error;
      }
      // What is near to one element is not near to the array.
      const refusal =
        codec.kind === 'scalar' ? error : new UnstorableValue(error.message);
      const settled = settle(refusal, row);
      return settled === null ? 'NULL' : quoted(settled);
    }
  };
}

/** Why the column cannot hold the value; null where no reason is known. */
export function refusalOf(
  codec: PostgresCodec,
  token: JsonText,
): UnstorableValue | null {
  try {
    element(codec, token, 'full');
    return null;
  } catch (error) {
    if (!(error instanceof UnstorableValue)) {
      throw error;
    }
    return error;
  }
}

const checks = new WeakMap<PostgresLimit, ValueCheck>();

function checkOf(
  limit: PostgresLimit | undefined,
  strictness: Strictness,
): ValueCheck | null {
  if (!limit || (strictness === 'silent' && !isSilent(limit))) {
    return null;
  }
  let check = checks.get(limit);
  if (!check) {
    check = checkOfLimit(limit);
    checks.set(limit, check);
  }
  return check;
}

function element(
  codec: PostgresCodec,
  token: JsonText,
  strictness: Strictness,
): string {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return 'NULL';
  }
  if (codec.kind === 'scalar') {
    return scalarWriter(checkOf(codec.limit, strictness))(token);
  }
  if (first === quote && codec.kind === 'geometry') {
    return scalarElement(token);
  }
  const text = columnText(codec, token, strictness);
  return text === null ? 'NULL' : quoted(text);
}

const lowerN = 0x6e;
const quote = 0x22;
const openBracket = 0x5b;
const openBrace = 0x7b;

function scalarWriter(check: ValueCheck | null): (token: JsonText) => string {
  return check === null
    ? scalarElement
    : (token) => {
        checkScalar(check, token);
        return scalarElement(token);
      };
}

function checkScalar(check: ValueCheck, token: JsonText): void {
  const first = token.charCodeAt(0);
  if (first !== lowerN) {
    const refusal = check(first === quote ? decoded(token) : token);
    if (refusal) {
      throw refusal;
    }
  }
}

function scalarElement(token: JsonText): string {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return 'NULL';
  }
  if (first === quote) {
    return token.includes('\\') && foreignEscape.test(token)
      ? quoted(decoded(token))
      : token;
  }
  return first === openBracket || first === openBrace ? quoted(token) : token;
}

/** The text that a plain INSERT would be given; null is SQL NULL. */
function columnText(
  codec: PostgresCodec,
  token: JsonText,
  strictness: Strictness,
): string | null {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return null;
  }
  switch (codec.kind) {
    case 'json':
      return jsonDocument(codec, token, strictness);
    case 'array':
      return first === openBracket
        ? nestedArray(codec, token, strictness)
        : arrayText(codec, decodedToken(token), strictness);
    case 'composite':
      return first === openBrace
        ? recordLiteral(codec, token, strictness)
        : decodedToken(token);
    case 'geometry':
      return decodedToken(token);
    case 'scalar': {
      const check = checkOf(codec.limit, strictness);
      if (check) {
        checkScalar(check, token);
      }
      return decodedToken(token);
    }
  }
}

function jsonDocument(
  codec: PostgresCodec & { kind: 'json' },
  token: JsonText,
  strictness: Strictness,
): string {
  if (strictness === 'full' && codec.refusesNul && hasNul(token)) {
    throw new UnstorableValue('holds the character U+0000');
  }
  return token.charCodeAt(0) === openBrace && jsonNullObject.test(token)
    ? 'null'
    : token;
}

/** As an escape, with an even number of backslashes before it. */
function hasNul(token: JsonText): boolean {
  return /(?<!\\)(?:\\\\)*\\u0000/.test(token);
}

/** Dimensions nest in JSON as in the literal; PostgreSQL's arrays do not. */
function nestedArray(
  codec: PostgresCodec & { kind: 'array' },
  token: JsonText,
  strictness: Strictness,
): string {
  const parts: string[] = [];
  for (const item of arrayElements(token)) {
    // Inside json[] a JSON array is a value, not another dimension.
    const isDimension =
      item.charCodeAt(0) === openBracket && codec.element.kind !== 'json';
    parts.push(
      isDimension
        ? nestedArray(codec, item, strictness)
        : element(codec.element, item, strictness),
    );
  }
  return `{${parts.join(codec.delimiter ?? ',')}}`;
}

/** Elements of an array literal: quoted, or not. */
const literalElement = /"((?:[^"\\]|\\.)*)"|([^{},;"\s][^{},;"]*)/gs;

/** An array that came as PostgreSQL's own literal. */
function arrayText(
  { element: inner }: PostgresCodec & { kind: 'array' },
  text: string,
  strictness: Strictness,
): string {
  const check =
    inner.kind === 'scalar' ? checkOf(inner.limit, strictness) : null;
  if (check) {
    const body = text.slice(text.indexOf('{'));
    for (const [, inQuotes, bare] of body.matchAll(literalElement)) {
      const refusal =
        bare === undefined
          ? check(inQuotes!.replace(/\\(.)/gs, '$1'))
          : bare.toLowerCase() === 'null'
            ? null
            : check(bare.trimEnd());
      if (refusal) {
        throw refusal;
      }
    }
  }
  return text;
}

function recordLiteral(
  codec: PostgresCodec & { kind: 'composite' },
  token: JsonText,
  strictness: Strictness,
): string {
  const members = new Map(
    objectMembers(token).map(({ name, value }) => [name, value]),
  );
  const fields = codec.fields.map(({ name, codec: fieldCodec }) => {
    const value = members.get(name);
    members.delete(name);
    const text =
      value === undefined ? null : columnText(fieldCodec, value, strictness);
    return text === null ? '' : quoted(text);
  });
  if (members.size > 0) {
    throw new UnstorableValue(
      `has ${members.size} field(s) that the composite type does not have`,
    );
  }
  return `(${fields.join(',')})`;
}

/** Inside quotes of an array or record literal. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function decodedToken(token: JsonText): string {
  return token.charCodeAt(0) === quote ? decoded(token) : token;
}

function decoded(token: JsonText): string {
  const text = token.includes('\\') ? jsonString(token) : token.slice(1, -1);
  // A lone surrogate would silently become U+FFFD on its way to the socket.
  if (!text.isWellFormed()) {
    throw new UnstorableValue(
      'holds half of a surrogate pair, which UTF-8 cannot express',
      text.toWellFormed(),
    );
  }
  return text;
}
