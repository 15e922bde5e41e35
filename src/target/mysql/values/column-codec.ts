/** From a row of information_schema.columns to what values.ts must know. */
import { exactCollation, type MysqlCodec } from './codec.ts';
import type { TextRow } from '../session/driver.ts';

const integerBits: Readonly<Record<string, bigint>> = {
  tinyint: 8n,
  smallint: 16n,
  mediumint: 24n,
  int: 32n,
  bigint: 64n,
};

export interface ColumnPlace {
  /** In the primary key, or null. */
  readonly ordinal: number | null;
  /** The primary key looks at so many characters only, or null. */
  readonly prefix: string | null;
  readonly isMariadb: boolean;
  /** MariaDB: text that is checked to be JSON. */
  readonly isJson: boolean;
  /** Foreign keys of other tables end here. */
  readonly isReferred: boolean;
  /** Rows that refer to it are changed with it. */
  readonly isFollowed: boolean;
}

export function columnCodec(row: TextRow, place: ColumnPlace): MysqlCodec {
  const codec = typeCodec(row, place);
  const collation = row['collation'];
  return {
    ...codec,
    ...(place.ordinal !== null &&
      collation != null &&
      !exactCollation.test(collation) && { folds: true as const }),
    ...(/on update/i.test(row['extra'] ?? '') && { touched: true as const }),
    ...(place.isReferred && { referred: true as const }),
    ...(place.isFollowed && { followed: true as const }),
    ...(place.prefix !== null && { keyPrefix: Number(place.prefix) }),
  };
}

function typeCodec(row: TextRow, place: ColumnPlace): MysqlCodec {
  const type = row['type']!.toLowerCase();
  const fullType = row['full_type']!;
  const definition = definitionOf(row);
  const bits = integerBits[type];
  if (bits !== undefined) {
    return { kind: 'integer', definition, ...integerRange(fullType, bits) };
  }
  switch (type) {
    case 'year':
      return { kind: 'integer', definition, min: '1901', max: '2155' };
    case 'decimal':
    case 'numeric':
      return {
        kind: 'decimal',
        definition,
        precision: Number(row['numeric_places']),
        scale: Number(row['scale']),
      };
    case 'float':
    case 'double':
      return { kind: 'float', definition, bits: type === 'float' ? 32 : 64 };
    case 'bit':
      return { kind: 'bit', definition, bits: Number(row['numeric_places']) };
    case 'date':
      return { kind: 'date', definition };
    case 'datetime':
    case 'timestamp':
      return {
        kind: 'datetime',
        definition,
        fractionDigits: Number(row['fraction']),
        until: type === 'timestamp' ? '2038-01-19T03:14:07.999999' : null,
      };
    case 'time':
      return {
        kind: 'time',
        definition,
        fractionDigits: Number(row['fraction']),
      };
    case 'enum':
    case 'set':
      return { kind: type, definition, labels: labelsOf(fullType) };
    case 'json':
      return { kind: 'json', definition: longText, isText: false };
    default:
      return place.isJson
        ? { kind: 'json', definition: longText, isText: true }
        : textOrOther(row, type, place.isMariadb);
  }
}

const longText = 'longtext character set utf8mb4 collate utf8mb4_bin';

function textOrOther(
  row: TextRow,
  type: string,
  isMariadb: boolean,
): MysqlCodec {
  const definition = definitionOf(row);
  if (/^(?:char|varchar)$/.test(type)) {
    return {
      kind: 'text',
      definition,
      maxLength: Number(row['max_length']),
      unit: 'characters',
      fixed: type === 'char',
    };
  }
  if (/^(?:tiny|medium|long)?text$/.test(type)) {
    return {
      kind: 'text',
      definition,
      maxLength: type === 'longtext' ? null : Number(row['max_bytes']),
      unit: 'bytes',
      fixed: false,
    };
  }
  if (/^(?:binary|varbinary|(?:tiny|medium|long)?blob)$/.test(type)) {
    return {
      kind: 'binary',
      definition,
      maxLength: Number(row['max_bytes']),
      fixed: type === 'binary',
    };
  }
  if (
    /^(?:geometry|point|linestring|polygon|multi\w+|geom\w*collection)$/.test(
      type,
    )
  ) {
    return {
      kind: 'geometry',
      definition: 'geometry',
      srid: row['srid'] == null ? null : Number(row['srid']),
      hasAxisOrder: !isMariadb,
    };
  }
  return { kind: 'other', definition };
}

/** MariaDB writes comments of its own into some types. */
function definitionOf(row: TextRow): string {
  const type = row['full_type']!.replace(/\s*\/\*.*?\*\//g, '');
  const { charset, collation } = row;
  return charset == null || collation == null
    ? type
    : `${type} character set ${charset} collate ${collation}`;
}

function integerRange(
  fullType: string,
  bits: bigint,
): { min: string; max: string } {
  const isUnsigned = / unsigned/.test(fullType);
  return isUnsigned
    ? { min: '0', max: String((1n << bits) - 1n) }
    : {
        min: String(-(1n << (bits - 1n))),
        max: String((1n << (bits - 1n)) - 1n),
      };
}

/** `enum('a','it''s')`: a quote in a label is doubled. */
function labelsOf(fullType: string): string[] {
  return [...fullType.matchAll(/'((?:[^']|'')*)'/g)].map(([, label]) =>
    label!.replaceAll("''", "'"),
  );
}
