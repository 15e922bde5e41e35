/**
 * What decoding needs to know, and what it makes of the rows of a request.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { TableMutations } from '../../../mutation/mutation.ts';
import { printTimestamp, type Timestamp } from '../../../mutation/timestamp.ts';
import type {
  SchemaShape,
  ColumnShape,
  TableShape,
} from '../../../target/target.ts';
import type { FeedKeyOrders } from '../../source.ts';

export interface DecodeContext {
  readonly shape: SchemaShape;
  /** The table that the path of a CDC query feed names. */
  readonly table: string | null;
  /** What becomes of rows of unknown tables, and of unknown columns. */
  readonly onUnknown: 'refuse' | 'ignore';
  /** Whether the column takes a text with U+0000. */
  readonly takesNul: (table: TableShape, column: ColumnShape) => boolean;
  readonly maxDepth: number;
  /** More rows in one request are refused (E1031); 0 or absent: no limit. */
  readonly maxRows?: number;
  readonly keyOrders: FeedKeyOrders;
  /** What is later than this was stamped by a wrong clock: E1028. */
  readonly latest?: Timestamp;
}

export interface DecodedRows {
  readonly kind: 'rows';
  readonly tables: readonly TableMutations[];
  /** How many mutations there are in `tables`. */
  readonly rowCount: number;
  /** Rows of tables that the target does not have (`--onUnknown ignore`). */
  readonly ignoredRowCount: number;
  readonly ignoredColumnCount: number;
  /** Lines of a CDC query feed that say neither what was nor what is. */
  readonly phantomDeleteCount: number;
}

/** A name that somebody sent, as it may stand in a message: not of any length. */
export function shownName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

/** Null where the table is unknown and to be ignored; else E1015. */
export function knownTable(
  { shape, onUnknown }: DecodeContext,
  name: string,
  resolve: (shape: SchemaShape, name: string) => TableShape | null,
): TableShape | null {
  const table = resolve(shape, name);
  if (table === null && onUnknown === 'refuse') {
    throw new ReplicatorError('E1015', {
      detail: `the target schema ${shape.name} has no table ${shownName(name)}`,
    });
  }
  return table;
}

/**
 * For a time later than `latest`: taken for progress, it would swallow every
 * later row as a redelivery.
 */
export function aheadOfClock(
  time: Timestamp,
  latest: Timestamp,
  whose: string,
): ReplicatorError {
  return new ReplicatorError('E1028', {
    detail: `${whose} is ${printTimestamp(time)}, more than an hour ahead of this machine's clock (at most ${printTimestamp(latest)} is taken)`,
  });
}
