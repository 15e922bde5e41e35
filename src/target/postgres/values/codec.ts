import type { ColumnShape } from '../../target.ts';
import type { PostgresLimit } from './limits.ts';

/**
 * What values.ts must know to turn JSON into the text form of a type.
 * `scalar`: digits, booleans and strings pass as their own text.
 */
export type PostgresCodec =
  | {
      readonly kind: 'scalar';
      /** The type cannot be an element of a bound array (PostgreSQL: box). */
      readonly viaText?: true;
      /** What the type holds, where that is known. */
      readonly limit?: PostgresLimit;
      /**
       * Equal values may be printed in several ways that JSON does not know to
       * be one: citext, interval, ranges, a collation that folds.
       */
      readonly comparesLoosely?: true;
    }
  | {
      readonly kind: 'json';
      /** jsonb, which cannot hold U+0000. */
      readonly refusesNul?: true;
    }
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
