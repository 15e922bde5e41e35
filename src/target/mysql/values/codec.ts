import type { ColumnShape } from '../../target.ts';

/** What values.ts and statements.ts must know of a column. */
export type MysqlCodec = MysqlType & {
  readonly kind: string;
  /** The type of a column that takes the same values, collation included. */
  readonly definition: string;
  /** In a key: only so many characters of it count. */
  readonly keyPrefix?: number;
  /** In a key: its collation may take two texts for one. */
  readonly folds?: true;
  /** It refers to its own table, or to one from which that is reached again. */
  readonly reference?: 'self' | 'cycle';
  /** The server sets it to the present time when a row changes otherwise. */
  readonly touched?: true;
  /** Rows of other tables refer to it. */
  readonly referred?: true;
  /** Foreign keys carry its changes to the rows that refer to it. */
  readonly followed?: true;
};

type MysqlType =
  | { readonly kind: 'integer'; readonly min: string; readonly max: string }
  | {
      readonly kind: 'decimal';
      readonly precision: number;
      readonly scale: number;
    }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | { readonly kind: 'bit'; readonly bits: number }
  | {
      readonly kind: 'text';
      readonly maxLength: number | null;
      readonly unit: 'characters' | 'bytes';
      /** CHAR: spaces at the end are dropped. */
      readonly fixed: boolean;
    }
  | {
      readonly kind: 'binary';
      readonly maxLength: number;
      /** BINARY: shorter values are filled up with zeros. */
      readonly fixed: boolean;
    }
  | { readonly kind: 'enum' | 'set'; readonly labels: readonly string[] }
  /** MariaDB's is a text; MySQL's makes doubles of long numbers. */
  | { readonly kind: 'json'; readonly isText: boolean }
  | { readonly kind: 'date' }
  | {
      readonly kind: 'datetime';
      readonly fractionDigits: number;
      /** TIMESTAMP: the last instant that it holds. */
      readonly until: string | null;
    }
  | { readonly kind: 'time'; readonly fractionDigits: number }
  | {
      readonly kind: 'geometry';
      readonly srid: number | null;
      /** MySQL: the order of coordinates follows the reference system. */
      readonly hasAxisOrder: boolean;
    }
  /** uuid, inet6 and what is to come: the server reads its text. */
  | { readonly kind: 'other' };

export function codecOf(column: ColumnShape): MysqlCodec {
  return column.codec as MysqlCodec;
}

/** Collations that take no two texts for one. */
export const exactCollation = /_0900_bin$|_nopad_bin$|^binary$/;

/** Whether the server may take two of its texts for one, in a key or not. */
export function comparesLoosely(column: ColumnShape): boolean {
  const [, collation] =
    / collate (\w+)$/.exec(codecOf(column).definition) ?? [];
  return collation !== undefined && !exactCollation.test(collation);
}
