/**
 * PostgreSQL's text of a value to the JSON that the targets' codecs take: the
 * form in which CockroachDB sends it where it has such a type, else a JSON
 * string of the text itself. The session prints with TimeZone=UTC,
 * DateStyle=ISO, IntervalStyle=postgres, extra_float_digits=3,
 * bytea_output=hex and lc_monetary=C.
 */
import type { JsonText } from '../../../mutation/mutation.ts';
import { jsonToken } from '../../../mutation/json-text.ts';
import { validateJson } from '../../../mutation/json-validation.ts';
import { arrayJson, recordFields } from './array-text.ts';
import type { SourceType } from './type-catalog.ts';

/** SQL NULL is `null`, so a JSON null has this form (see values.ts of targets). */
export const jsonNullDocument = '{"__crdb_json_null__": true}';

/** Any value but SQL NULL. */
export function columnJson(type: SourceType, text: string): JsonText {
  switch (type.kind) {
    case 'digits':
      return text as JsonText;
    case 'number':
      return isFinite(text) ? (text as JsonText) : jsonToken(text);
    case 'boolean':
      return (text === 't' ? 'true' : 'false') as JsonText;
    case 'text':
      return jsonToken(text);
    case 'padded-text':
      return jsonToken(text.replace(/ +$/, ''));
    case 'json':
      return documentJson(text);
    case 'money':
      return moneyJson(text);
    case 'array':
      return arrayText(type, text);
    case 'composite':
      return compositeText(type, text);
  }
}

/** Not `NaN`, `Infinity`, `-Infinity`. */
function isFinite(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0x30 && last <= 0x39;
}

function documentJson(text: string): JsonText {
  const document = text.trim();
  return (document === 'null' ? jsonNullDocument : document) as JsonText;
}

/** Of lc_monetary=C, whose digits every numeric column takes. */
const plainMoney = /^-?\$[\d,]+\.\d\d$/;

function moneyJson(text: string): JsonText {
  return plainMoney.test(text)
    ? (text.replace(/[$,]/g, '') as JsonText)
    : jsonToken(text);
}

function arrayText(
  { element, delimiter }: SourceType & { kind: 'array' },
  text: string,
): JsonText {
  // A domain over an array makes arrays of arrays, which JSON would make one.
  const json =
    element.kind === 'array'
      ? null
      : arrayJson(text, {
          delimiter,
          isAmbiguous: element.kind === 'json',
          write: (item) => (item === null ? 'null' : columnJson(element, item)),
        });
  return json === null ? jsonToken(text) : jsonOrLiteral(json, text);
}

/** Deeper than any server builds them. */
const maxLiteralDepth = 1_000;

/** The JSON; the literal as it came where that was none, and so neither is. */
function jsonOrLiteral(json: string, literal: string): JsonText {
  try {
    validateJson(json, { maxDepth: maxLiteralDepth });
    return json as JsonText;
  } catch {
    return jsonToken(literal);
  }
}

/**
 * An object, as long as the fields are those of the type as it was learned:
 * else the literal, which a PostgreSQL target reads by position.
 */
function compositeText(
  { fields }: SourceType & { kind: 'composite' },
  text: string,
): JsonText {
  const values = recordFields(text);
  if (values === null || values.length !== fields.length) {
    return jsonToken(text);
  }
  const members = fields.map(({ name, type }, index) => {
    const value = values[index]!;
    return `${jsonToken(name)}:${value === null ? 'null' : columnJson(type, value)}`;
  });
  return jsonOrLiteral(`{${members.join(',')}}`, text);
}
