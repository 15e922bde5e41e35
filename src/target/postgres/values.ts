/**
 * JSON tokens to the text forms of PostgreSQL, without ever making numbers.
 *
 * A column of rows becomes one array literal. Most tokens pass as they are:
 * digits and booleans are valid unquoted elements, and a JSON string is a valid
 * quoted element as long as its only escapes are `\\`, `\"` and `\/`, for an
 * array literal takes the character behind a backslash literally.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import {
  arrayElements,
  jsonString,
  objectMembers,
} from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { PostgresCodec } from './codec.ts';

/** Escapes that mean something else inside an array literal. */
const foreignEscape = /\\[bfnrtu]/;
const jsonNullObject = /^\{\s*"__crdb_json_null__"\s*:\s*true\s*\}$/;

/** The values of one column, row after row, as the text of one array. */
export function arrayLiteral(
  codec: PostgresCodec,
  tokens: readonly JsonText[],
): string {
  let literal = '{';
  for (let row = 0; row < tokens.length; row++) {
    literal +=
      row === 0
        ? element(codec, tokens[row]!)
        : `,${element(codec, tokens[row]!)}`;
  }
  return `${literal}}`;
}

function element(codec: PostgresCodec, token: JsonText): string {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return 'NULL';
  }
  if (codec.kind === 'scalar' || (first === quote && codec.kind !== 'json')) {
    return scalarElement(token, first);
  }
  const text = columnText(codec, token);
  return text === null ? 'NULL' : quoted(text);
}

const lowerN = 0x6e;
const quote = 0x22;
const openBracket = 0x5b;
const openBrace = 0x7b;

function scalarElement(token: JsonText, first: number): string {
  if (first === quote) {
    return foreignEscape.test(token) ? quoted(decoded(token)) : token;
  }
  return first === openBracket || first === openBrace ? quoted(token) : token;
}

/**
 * The text that a plain INSERT would be given for this value; null is SQL
 * NULL. What a type cannot take passes as it came: the server says why.
 */
export function columnText(
  codec: PostgresCodec,
  token: JsonText,
): string | null {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return null;
  }
  if (codec.kind === 'json') {
    return first === openBrace && jsonNullObject.test(token) ? 'null' : token;
  }
  if (codec.kind === 'array' && first === openBracket) {
    return nestedArray(codec, token);
  }
  if (codec.kind === 'composite' && first === openBrace) {
    return recordLiteral(codec, token);
  }
  return first === quote ? decoded(token) : token;
}

/** Dimensions nest in JSON as in the literal; PostgreSQL's arrays do not. */
function nestedArray(
  codec: PostgresCodec & { kind: 'array' },
  token: JsonText,
): string {
  const parts: string[] = [];
  for (const item of arrayElements(token)) {
    // Inside json[] a JSON array is a value, not another dimension.
    const isDimension =
      item.charCodeAt(0) === openBracket && codec.element.kind !== 'json';
    parts.push(
      isDimension ? nestedArray(codec, item) : element(codec.element, item),
    );
  }
  return `{${parts.join(codec.delimiter ?? ',')}}`;
}

function recordLiteral(
  codec: PostgresCodec & { kind: 'composite' },
  token: JsonText,
): string {
  const members = new Map(
    objectMembers(token).map(({ name, value }) => [name, value]),
  );
  const fields = codec.fields.map(({ name, codec: fieldCodec }) => {
    const value = members.get(name);
    members.delete(name);
    const text = value === undefined ? null : columnText(fieldCodec, value);
    return text === null ? '' : quoted(text);
  });
  if (members.size > 0) {
    throw new ReplicatorError('E4006', {
      detail: `a value of a composite type has ${members.size} field(s) that the type does not have`,
    });
  }
  return `(${fields.join(',')})`;
}

/** Inside quotes of an array or record literal. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function decoded(token: JsonText): string {
  const text = jsonString(token);
  // A lone surrogate would silently become U+FFFD on its way to the socket.
  if (!text.isWellFormed()) {
    throw new ReplicatorError('E4006', {
      detail:
        'a text holds half of a surrogate pair, which UTF-8 cannot express',
    });
  }
  return text;
}
