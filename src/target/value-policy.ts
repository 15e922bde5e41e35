/**
 * What becomes of a value that its target column cannot hold as it is: never
 * another value in silence. By default the row is refused; `--valuePolicy`
 * lets a column take null or the nearest value it can hold instead, which is
 * counted and logged.
 */
import { ReplicatorError } from '../failure/failure.ts';
import type { JsonText } from '../mutation/mutation.ts';
import type { ColumnShape, TableShape } from './target.ts';

export type ValuePolicy = 'error' | 'null' | 'clamp';

/** Thrown by an engine's values.ts; never leaves `target/`. */
export class UnstorableValue extends Error {
  /** The nearest text that the column can hold; null where none is near. */
  readonly clamped: string | null;

  /** `reason` completes "the value …" and holds no row data. */
  constructor(reason: string, clamped: string | null = null) {
    super(reason);
    this.clamped = clamped;
  }
}

/** A value that was replaced by policy. */
export interface ReplacedValue {
  readonly table: TableShape;
  readonly column: ColumnShape;
  /** JSON array of the primary key's values. */
  readonly key: string;
  readonly policy: 'null' | 'clamp';
  readonly reason: string;
}

export interface ValuePolicies {
  policyOf(table: TableShape, column: ColumnShape): ValuePolicy;
  /** Called for each value that is written otherwise than it came. */
  onReplaced(value: ReplacedValue): void;
}

/** Refuses everything that does not fit. */
export const refusingPolicies: ValuePolicies = {
  policyOf: () => 'error',
  onReplaced: () => {},
};

export interface PlacedValue {
  readonly table: TableShape;
  readonly column: ColumnShape;
  /** The JSON of the row's primary key columns, in key order. */
  readonly keyOf: () => readonly JsonText[];
}

/** The text to write instead, or throws E4006 that names the place. */
export function settleUnstorable(
  refusal: UnstorableValue,
  place: PlacedValue,
  policies: ValuePolicies,
): string | null {
  const { message: reason, clamped } = refusal;
  const { table, column } = place;
  const policy = policies.policyOf(table, column);
  // A key that is replaced is another row's key.
  if (column.keyOrdinal === null) {
    const settled =
      policy === 'null' && column.nullable
        ? { text: null, policy }
        : policy === 'clamp' && clamped !== null
          ? { text: clamped, policy }
          : null;
    if (settled) {
      policies.onReplaced({
        table,
        column,
        key: printKey(place.keyOf()),
        policy: settled.policy,
        reason,
      });
      return settled.text;
    }
  }
  throw placedFailure(refusal, place);
}

/** The refusal as a failure that names its place. */
export function placedFailure(
  { message: reason }: UnstorableValue,
  { table, column, keyOf }: PlacedValue,
): ReplicatorError {
  return new ReplicatorError('E4006', {
    detail: `column "${column.name}" of table ${table.schema}.${table.name}, row ${printKey(keyOf())}: the value ${reason}`,
  });
}

export function printKey(key: readonly JsonText[]): string {
  return `[${key.join(', ')}]`;
}
