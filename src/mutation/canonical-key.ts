/**
 * Key identity: two mutations are of the same row exactly when their
 * canonical keys are equal strings.
 *
 * A source may print one key in several ways: blanks behind commas, escaped
 * letters, `1.0` before and `1.00` after a change of scale. Here they become
 * one. Numbers stay text on the way; only their exponents are computed.
 */
import {
  arrayElements,
  jsonKind,
  jsonString,
  jsonToken,
  skipBlank,
  skipValue,
} from './json-text.ts';
import type { JsonText } from './mutation.ts';

/**
 * Longer integers, and fractions with more digits, are written with an
 * exponent: `1e400` must not become 401 characters, nor differ from them.
 */
const plainDigitLimit = 40;

/** The canonical JSON array of key elements, given in key order. */
export function canonicalKey(elements: readonly JsonText[]): JsonText {
  if (elements.length === 1) {
    return `[${canonicalValue(elements[0]!)}]` as JsonText;
  }
  let key = '[';
  for (let index = 0; index < elements.length; index += 1) {
    if (index > 0) {
      key += ',';
    }
    key += canonicalValue(elements[index]!);
  }
  return `${key}]` as JsonText;
}

/** The one text that all spellings of a JSON value share. */
export function canonicalValue(token: JsonText): JsonText {
  const first = token.charCodeAt(0);
  if (first === 0x22 && token.charCodeAt(token.length - 1) === 0x22) {
    return token.includes('\\') ? jsonToken(jsonString(token)) : token;
  }
  if (isPlainInteger(token)) {
    return token;
  }
  const trimmed = token.trim() as JsonText;
  switch (jsonKind(trimmed)) {
    case 'number':
      return canonicalNumber(trimmed);
    case 'array':
      return canonicalKey(arrayElements(trimmed));
    case 'object':
      return canonicalObject(trimmed);
    case 'string':
      return trimmed.length === token.length ? token : canonicalValue(trimmed);
    case 'null':
    case 'boolean':
      return trimmed;
  }
}

function isPlainInteger(token: string): boolean {
  if (token.length >= plainDigitLimit) {
    return false;
  }
  let at = token.charCodeAt(0) === 0x2d ? 1 : 0;
  if (at === 1 && token.charCodeAt(1) === 0x30) {
    return false;
  }
  for (; at < token.length; at += 1) {
    const code = token.charCodeAt(at);
    if (code < 0x30 || code > 0x39) {
      return false;
    }
  }
  return true;
}

/**
 * Longer exponents are no database's, and reading one with a million digits
 * would take a second: such a number is only equal to one with the same
 * digits.
 */
const maxExponentDigits = 1_000;

const numberPattern = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

function canonicalNumber(token: string): JsonText {
  const [, sign, whole, fraction = '', exponentText = '0'] =
    numberPattern.exec(token)!;
  const digits = whole! + fraction;
  let start = 0;
  while (digits.charCodeAt(start) === 0x30) {
    start += 1;
  }
  let end = digits.length;
  while (end > start && digits.charCodeAt(end - 1) === 0x30) {
    end -= 1;
  }
  if (start === end) {
    return '0' as JsonText;
  }
  const significant = digits.slice(start, end);
  if (exponentText.length > maxExponentDigits) {
    return token.replace(/[eE]\+?/, 'e') as JsonText;
  }
  // A hostile exponent has hundreds of digits: a double would round it.
  const exponent =
    BigInt(exponentText) -
    BigInt(fraction.length) +
    BigInt(digits.length - end);
  return (sign + printDecimal(significant, exponent)) as JsonText;
}

/** Prints `significant × 10^exponent`; no zero stands at either end of it. */
function printDecimal(significant: string, exponent: bigint): string {
  const length = BigInt(significant.length);
  const limit = BigInt(plainDigitLimit);
  if (exponent >= 0n && length + exponent < limit) {
    return significant + '0'.repeat(Number(exponent));
  }
  if (exponent < 0n && length < limit && -exponent < limit) {
    const padded = significant.padStart(Number(-exponent) + 1, '0');
    const point = padded.length + Number(exponent);
    return `${padded.slice(0, point)}.${padded.slice(point)}`;
  }
  return exponent === 0n ? significant : `${significant}e${exponent}`;
}

/** Members keep their order: a source prints one value in one order. */
function canonicalObject(text: JsonText): JsonText {
  const members: string[] = [];
  let at = skipBlank(text, 1);
  while (text.charCodeAt(at) === 0x22) {
    const nameEnd = skipValue(text, at);
    const name = canonicalValue(text.slice(at, nameEnd) as JsonText);
    const start = skipBlank(text, skipBlank(text, nameEnd) + 1);
    const end = skipValue(text, start);
    members.push(
      `${name}:${canonicalValue(text.slice(start, end) as JsonText)}`,
    );
    at = skipBlank(text, end);
    if (text.charCodeAt(at) !== 0x2c) {
      break;
    }
    at = skipBlank(text, at + 1);
  }
  return `{${members.join(',')}}` as JsonText;
}
