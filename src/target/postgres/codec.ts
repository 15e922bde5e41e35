import type { ColumnShape } from '../target.ts';

/**
 * What values.ts must know to turn JSON into the text form of a type.
 * `scalar`: digits, booleans and strings pass as their own text.
 */
export type PostgresCodec =
  | {
      readonly kind: 'scalar';
      /** The type cannot be an element of a bound array (PostgreSQL: box). */
      readonly viaText?: true;
    }
  | { readonly kind: 'json' }
  | {
      readonly kind: 'array';
      readonly element: PostgresCodec;
      /** Between elements, where it is not a comma (PostgreSQL: box). */
      readonly delimiter?: string;
    }
  | {
      readonly kind: 'composite';
      readonly fields: readonly {
        readonly name: string;
        readonly codec: PostgresCodec;
      }[];
    }
  | { readonly kind: 'geometry'; readonly srid: number | null };

export function codecOf(column: ColumnShape): PostgresCodec {
  return column.codec as PostgresCodec;
}
