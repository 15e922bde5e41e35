import type { ColumnShape } from '../../target.ts';

/**
 * What values.ts must know to turn JSON into what is bound for a column, and
 * to tell what the column would change in silence.
 */
export type OracleCodec = CodecKind & {
  /** DEFAULT ON NULL: null would silently become the default. */
  readonly replacesNull?: true;
};

type CodecKind =
  /** NUMBER(p,s), which rounds. */
  | {
      readonly kind: 'decimal';
      readonly precision: number;
      readonly scale: number;
    }
  /** NUMBER and FLOAT(b): any size, rounded to so many digits. */
  | { readonly kind: 'number'; readonly digitCount: number }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | { readonly kind: 'boolean' }
  | TextCodec
  | {
      readonly kind: 'clob';
      readonly isNational: boolean;
      readonly characterSet: CharacterSet;
    }
  | { readonly kind: 'blob' }
  | {
      readonly kind: 'json';
      /** JSON of 21c and later; else text or bytes under IS JSON. */
      readonly carrier: 'json' | 'clob' | 'blob' | 'text';
      readonly characterSet: CharacterSet;
    }
  | { readonly kind: 'xml'; readonly characterSet: CharacterSet }
  | { readonly kind: 'date' }
  | {
      readonly kind: 'timestamp';
      readonly fractionDigits: number;
      readonly hasZone: boolean;
    }
  | { readonly kind: 'year-month'; readonly yearDigits: number }
  | {
      readonly kind: 'day-second';
      readonly dayDigits: number;
      readonly fractionDigits: number;
    }
  | { readonly kind: 'raw'; readonly maxBytes: number }
  /** Only null can be written: SDO_GEOMETRY, LONG, objects. */
  | { readonly kind: 'unsupported'; readonly typeName: string };

export interface TextCodec {
  readonly kind: 'text';
  readonly maxLength: number;
  readonly unit: 'characters' | 'bytes' | 'utf16';
  readonly maxBytes: number;
  /** CHAR, NCHAR: filled up with blanks. */
  readonly isPadded: boolean;
  readonly isNational: boolean;
  readonly characterSet: CharacterSet;
  /** What a check constraint says for true and false. */
  readonly booleans?: readonly [string, string];
}

/** What of Unicode the database's own character set holds, for certain. */
export type CharacterSet = 'unicode' | 'latin1' | 'ascii';

export function codecOf(column: ColumnShape): OracleCodec {
  return column.codec as OracleCodec;
}
