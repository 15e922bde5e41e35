import type { ColumnShape } from '../../target.ts';

/**
 * What values.ts must know to turn JSON into a text that the server casts to
 * the type. Plain data: a shape is also kept as JSON.
 */
export type SqlServerCodec =
  | { readonly kind: 'bit' }
  | { readonly kind: 'integer'; readonly bits: 8 | 16 | 32 | 64 }
  | {
      readonly kind: 'decimal';
      readonly precision: number;
      readonly scale: number;
    }
  /** Decimals of scale 4 in an integer of so many bits. */
  | { readonly kind: 'money'; readonly bits: 32 | 64 }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | {
      readonly kind: 'text';
      /** UTF-16 units of nvarchar, bytes of varchar; null: any length. */
      readonly maxLength: number | null;
      /** Of char, varchar and text; null: UTF-16. 65001 is UTF-8. */
      readonly codePage: number | null;
      /** Blanks at the end do not count (char, nchar). */
      readonly isPadded: boolean;
      /** Null: text (deprecated type), which has no operators. */
      readonly collation: string | null;
    }
  /** JSON in whatever column: the value's own text, strings quoted. */
  | { readonly kind: 'json'; readonly text: SqlServerCodec | null }
  | { readonly kind: 'xml' }
  | {
      readonly kind: 'binary';
      readonly maxLength: number | null;
      /** A shorter value would get zeros behind it (binary). */
      readonly isPadded: boolean;
    }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'date' }
  | { readonly kind: 'time'; readonly fractionDigits: number }
  | {
      readonly kind: 'timestamp';
      readonly type: 'datetime' | 'smalldatetime' | 'datetime2';
      readonly fractionDigits: number;
    }
  | { readonly kind: 'timestamptz'; readonly fractionDigits: number }
  | {
      readonly kind: 'spatial';
      readonly type: 'geometry' | 'geography';
    }
  | { readonly kind: 'hierarchyid' }
  /** Nothing is written to it. */
  | { readonly kind: 'unsupported'; readonly type: string };

export function codecOf(column: ColumnShape): SqlServerCodec {
  return column.codec as SqlServerCodec;
}

/**
 * Every unique key that the column is in leaves its nulls out (a filtered
 * index): else a unique key holds nulls to be equal, and allows one.
 */
export interface RepeatableNull {
  readonly repeatsNull?: true;
}

export function repeatsNull(column: ColumnShape): boolean {
  return (column.codec as RepeatableNull).repeatsNull === true;
}
