/** What the catalog says of a column's type, as {@link OracleCodec}. */
import type { CharacterSet, OracleCodec } from './codec.ts';
import type { Row } from '../session/driver.ts';

/** Decimal digits that NUMBER surely keeps. */
const numberDigits = 38;

export interface ColumnContext {
  /** NLS_CHARACTERSET of the database. */
  readonly characterSet: string;
  /** Conditions of the check constraints on it. */
  readonly checks: readonly string[];
}

export function columnCodec(row: Row, context: ColumnContext): OracleCodec {
  const codec = plainCodec(row, context);
  return row['default_on_null'] === 'YES'
    ? { ...codec, replacesNull: true }
    : codec;
}

function plainCodec(row: Row, context: ColumnContext): OracleCodec {
  const typeName = row['data_type']!;
  const characterSet = characterSetOf(context.characterSet);
  const jsonFormat = row['json_format'] ?? null;
  if (jsonFormat !== null || typeName === 'JSON') {
    const carrier = jsonCarrier(typeName);
    // OSON in a BLOB is not text that could be written.
    return carrier === null || (carrier === 'blob' && jsonFormat === 'OSON')
      ? { kind: 'unsupported', typeName: `${typeName} in the format OSON` }
      : { kind: 'json', carrier, characterSet };
  }
  const timestamp = /^TIMESTAMP\((\d)\)( WITH (?:LOCAL )?TIME ZONE)?$/.exec(
    typeName,
  );
  if (timestamp) {
    return {
      kind: 'timestamp',
      fractionDigits: Number(timestamp[1]),
      hasZone: timestamp[2] !== undefined,
    };
  }
  const daySecond = /^INTERVAL DAY\((\d)\) TO SECOND\((\d)\)$/.exec(typeName);
  if (daySecond) {
    return {
      kind: 'day-second',
      dayDigits: Number(daySecond[1]),
      fractionDigits: Number(daySecond[2]),
    };
  }
  const yearMonth = /^INTERVAL YEAR\((\d)\) TO MONTH$/.exec(typeName);
  if (yearMonth) {
    return { kind: 'year-month', yearDigits: Number(yearMonth[1]) };
  }
  switch (typeName) {
    case 'NUMBER':
    case 'FLOAT':
      return numberCodec(row);
    case 'BINARY_FLOAT':
      return { kind: 'float', bits: 32 };
    case 'BINARY_DOUBLE':
      return { kind: 'float', bits: 64 };
    case 'BOOLEAN':
      return { kind: 'boolean' };
    case 'CHAR':
    case 'NCHAR':
    case 'VARCHAR2':
    case 'NVARCHAR2':
      return textCodec(row, characterSet, context.checks);
    case 'CLOB':
    case 'NCLOB':
      return { kind: 'clob', isNational: typeName === 'NCLOB', characterSet };
    case 'BLOB':
      return { kind: 'blob' };
    case 'XMLTYPE':
      return { kind: 'xml', characterSet };
    case 'DATE':
      return { kind: 'date' };
    case 'RAW':
      return { kind: 'raw', maxBytes: Number(row['data_length']) };
    default:
      return { kind: 'unsupported', typeName };
  }
}

function jsonCarrier(
  typeName: string,
): 'json' | 'clob' | 'blob' | 'text' | null {
  switch (typeName) {
    case 'JSON':
      return 'json';
    case 'CLOB':
      return 'clob';
    case 'BLOB':
      return 'blob';
    case 'VARCHAR2':
      return 'text';
    default:
      return null;
  }
}

function numberCodec(row: Row): OracleCodec {
  const precision = row['data_precision'] ?? null;
  const scale = row['data_scale'] ?? null;
  if (row['data_type'] === 'FLOAT') {
    // Binary digits, by which Oracle's manual means this many decimal ones.
    const digitCount = Math.ceil(Number(precision ?? 126) * 0.30103);
    return { kind: 'number', digitCount: Math.min(digitCount, numberDigits) };
  }
  return precision === null && scale === null
    ? { kind: 'number', digitCount: numberDigits }
    : {
        kind: 'decimal',
        precision: Number(precision ?? numberDigits),
        scale: Number(scale ?? 0),
      };
}

function textCodec(
  row: Row,
  characterSet: CharacterSet,
  checks: readonly string[],
): OracleCodec {
  const typeName = row['data_type']!;
  const isNational = typeName.startsWith('N');
  const isInBytes = !isNational && row['char_used'] === 'B';
  const maxBytes = Number(row['data_length']);
  const booleans = checks.map(booleanPair).find((pair) => pair !== null);
  return {
    kind: 'text',
    maxLength: isInBytes ? maxBytes : Number(row['char_length']),
    unit: isNational ? 'utf16' : isInBytes ? 'bytes' : 'characters',
    maxBytes,
    isPadded: typeName.endsWith('CHAR'),
    isNational,
    characterSet,
    ...(booleans && { booleans }),
  };
}

/** The first of each pair is true. */
const booleanPairs: readonly (readonly [string, string])[] = [
  ['Y', 'N'],
  ['y', 'n'],
  ['T', 'F'],
  ['t', 'f'],
  ['1', '0'],
  ['YES', 'NO'],
  ['Yes', 'No'],
  ['yes', 'no'],
  ['TRUE', 'FALSE'],
  ['True', 'False'],
  ['true', 'false'],
];

/** `active in ('Y', 'N')`; null for any other condition. */
export function booleanPair(
  condition: string,
): readonly [string, string] | null {
  const words =
    /^\s*"?[\w$#]+"?\s+in\s*\(\s*'([^']*)'\s*,\s*'([^']*)'\s*\)\s*$/i.exec(
      condition,
    );
  if (!words) {
    return null;
  }
  const [, first, second] = words;
  return (
    booleanPairs.find(
      (pair) =>
        (pair[0] === first && pair[1] === second) ||
        (pair[0] === second && pair[1] === first),
    ) ?? null
  );
}

/** The first 256 code points of WE8ISO8859P1 are Unicode's. */
function characterSetOf(name: string): CharacterSet {
  switch (name) {
    case 'AL32UTF8':
    case 'UTF8':
      return 'unicode';
    case 'WE8ISO8859P1':
    case 'WE8MSWIN1252':
      return 'latin1';
    default:
      return 'ascii';
  }
}
