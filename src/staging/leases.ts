/**
 * The second door of `staging/`: which of several daemons on one store leads a
 * target schema. A store that one daemon has to itself has none.
 *
 * No clock takes part. The holder raises `beat`; whoever sees holder, epoch
 * and beat unchanged for long enough, by its own monotonic clock, may take the
 * lease by compare-and-set.
 *
 * Invariants:
 *  - `epoch` only rises, and outlives everything but the table: no two
 *    holdings ever have the same one;
 *  - of several that take what they have seen, one has it, all others null;
 *  - who is not the holder under that epoch any more changes nothing.
 */
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';

/** What the store says of one schema's lease. */
export interface Lease {
  /** Empty: nobody holds it. */
  readonly holder: string;
  readonly epoch: number;
  readonly beat: number;
  /** The holder cannot reach its target: whoever can may take over at once. */
  readonly offered: boolean;
}

/** One time of holding the lease. */
export interface Holding {
  readonly schema: SchemaName;
  readonly holder: string;
  readonly epoch: number;
}

/** Contract (test/contract/staging-leases.ts). */
export interface Leases {
  /** Null where nobody has ever held it. */
  read(schema: SchemaName, signal?: AbortSignal): Promise<Lease | null>;
  /**
   * Takes the lease if it is still as it was `seen`, under a raised epoch.
   * Null, and nothing is changed, where it is not.
   */
  take(
    schema: SchemaName,
    holder: string,
    seen: Lease | null,
    signal?: AbortSignal,
  ): Promise<Lease | null>;
  /** Raises the beat; false where it is not held any more. */
  renew(
    holding: Holding,
    offered: boolean,
    signal?: AbortSignal,
  ): Promise<boolean>;
  /**
   * Raises the epoch above `above` too, and resolves to it; null where the
   * lease is not held any more.
   */
  raiseEpoch(
    holding: Holding,
    above: number,
    signal?: AbortSignal,
  ): Promise<number | null>;
  /** Lets go: the next one that looks may take it. No matter if it is lost. */
  release(holding: Holding, signal?: AbortSignal): Promise<void>;
  /**
   * See `commitApplied` of the store; false, and nothing is changed, where
   * the lease is not held any more.
   */
  commitApplied(
    holding: Holding,
    applied: Timestamp,
    inTarget: boolean,
    signal?: AbortSignal,
  ): Promise<boolean>;
}
