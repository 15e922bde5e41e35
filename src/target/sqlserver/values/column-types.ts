/** A column of the catalog as the type of a cast, and how its values are written. */
import type { SqlServerCodec } from './codec.ts';

export interface TypeRow {
  /** The built-in type below an alias. */
  readonly type_name: string;
  /** In bytes; -1: max. */
  readonly max_length: number;
  readonly precision: number;
  readonly scale: number;
  readonly collation_name: string | null;
  /** Of the collation; 0 for those that are Unicode only. */
  readonly code_page: number | null;
}

export interface ColumnType {
  /** Names the length: values.ts lets nothing pass that a cast would cut. */
  readonly type: string;
  readonly codec: SqlServerCodec;
  /** rowversion: the server writes it. */
  readonly isGenerated?: boolean;
}

const integerBits = { tinyint: 8, smallint: 16, int: 32, bigint: 64 } as const;

export function columnType(row: TypeRow): ColumnType {
  const name = row.type_name.toLowerCase();
  switch (name) {
    case 'bit':
      return { type: name, codec: { kind: 'bit' } };
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
      return {
        type: name,
        codec: { kind: 'integer', bits: integerBits[name] },
      };
    case 'decimal':
    case 'numeric':
      return {
        type: `decimal(${row.precision}, ${row.scale})`,
        codec: { kind: 'decimal', precision: row.precision, scale: row.scale },
      };
    case 'money':
      return { type: name, codec: { kind: 'money', bits: 64 } };
    case 'smallmoney':
      return { type: name, codec: { kind: 'money', bits: 32 } };
    case 'float':
      return { type: 'float(53)', codec: { kind: 'float', bits: 64 } };
    case 'real':
      return { type: name, codec: { kind: 'float', bits: 32 } };
    case 'char':
    case 'varchar':
    case 'text':
    case 'nchar':
    case 'nvarchar':
    case 'ntext':
      return textType(name, row);
    case 'binary':
    case 'varbinary':
    case 'image':
      return binaryType(name, row);
    case 'timestamp':
    case 'rowversion':
      return {
        type: 'binary(8)',
        codec: { kind: 'binary', maxLength: 8, isPadded: true },
        isGenerated: true,
      };
    case 'uniqueidentifier':
      return { type: name, codec: { kind: 'uuid' } };
    case 'date':
      return { type: name, codec: { kind: 'date' } };
    case 'time':
      return {
        type: `time(${row.scale})`,
        codec: { kind: 'time', fractionDigits: row.scale },
      };
    case 'datetime':
    case 'smalldatetime':
      return {
        type: name,
        codec: {
          kind: 'timestamp',
          type: name,
          fractionDigits: name === 'datetime' ? 3 : 0,
        },
      };
    case 'datetime2':
      return {
        type: `datetime2(${row.scale})`,
        codec: { kind: 'timestamp', type: name, fractionDigits: row.scale },
      };
    case 'datetimeoffset':
      return {
        type: `datetimeoffset(${row.scale})`,
        codec: { kind: 'timestamptz', fractionDigits: row.scale },
      };
    case 'xml':
      return { type: name, codec: { kind: 'xml' } };
    case 'json':
      return { type: name, codec: { kind: 'json', text: null } };
    case 'geometry':
    case 'geography':
      return { type: name, codec: { kind: 'spatial', type: name } };
    case 'hierarchyid':
      return { type: name, codec: { kind: 'hierarchyid' } };
    default:
      return { type: name, codec: { kind: 'unsupported', type: name } };
  }
}

function textType(
  name: 'char' | 'varchar' | 'text' | 'nchar' | 'nvarchar' | 'ntext',
  {
    max_length: maxBytes,
    collation_name: collation,
    code_page: codePage,
  }: TypeRow,
): ColumnType {
  const isUtf16 = name.startsWith('n');
  const isUnlimited = maxBytes < 0 || name === 'text' || name === 'ntext';
  const maxLength = isUnlimited ? null : isUtf16 ? maxBytes / 2 : maxBytes;
  const base =
    name === 'text' ? 'varchar' : name === 'ntext' ? 'nvarchar' : name;
  return {
    type: `${base}(${maxLength ?? 'max'})`,
    codec: {
      kind: 'text',
      maxLength,
      codePage: isUtf16 ? null : (codePage ?? 0),
      isPadded: name === 'char' || name === 'nchar',
      collation,
    },
  };
}

function binaryType(
  name: 'binary' | 'varbinary' | 'image',
  { max_length: maxBytes }: TypeRow,
): ColumnType {
  const maxLength = maxBytes < 0 || name === 'image' ? null : maxBytes;
  return {
    type: `${name === 'image' ? 'varbinary' : name}(${maxLength ?? 'max'})`,
    codec: { kind: 'binary', maxLength, isPadded: name === 'binary' },
  };
}
