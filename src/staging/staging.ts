/**
 * The door of `staging/`: where mutations wait, durably.
 *
 * Staging is a log. An entry holds mutations of one table from one request,
 * of one second of source time, as a compact blob (batch-codec.ts); entries
 * are appended by group commit, read back in time order and deleted in bulk.
 * Beside the log stands one checkpoint row per target schema.
 *
 * Two invariants make reading cheap and are kept by whoever appends
 * (batch-codec.ts `encodeEntries`):
 *  - the mutations of an entry are sorted by version (mutation/row-version.ts),
 *    and `minTime` and `maxTime` are those of its first and last row;
 *  - an entry never spans two time buckets (one second of source time), so
 *    every entry with a mutation later than T has `minTime >= bucket(T)`.
 */
import type { JsonText } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { Leases } from './leases.ts';
import type { TokenRegister } from './tokens.ts';

/** An entry about to be appended. `body` is written by encodeEntries. */
export interface NewEntry {
  readonly schema: SchemaName;
  readonly table: string;
  readonly minTime: Timestamp;
  readonly maxTime: Timestamp;
  readonly rowCount: number;
  readonly body: Buffer;
  /** Where its rows lie, where that is known without reading it. */
  readonly places?: RowPlaces;
}

/** Rows in the texts of entries. */
export interface RowPlaces {
  readonly times: readonly Timestamp[];
  /**
   * Of each row the number of its text and of its time, where its key starts, and
   * the lengths of its key, of what it became and of what it was: -1 for null.
   */
  readonly places: Int32Array;
}

/** Numbers of a row among its places. */
export const placeStride = 6;

/**
 * What whoever appends goes by: that nothing at or beyond this time is
 * resolved, so that none of the rows from there on can come too late.
 */
export interface AppendGuard {
  readonly schema: SchemaName;
  readonly above: Timestamp;
}

export interface AppendOptions {
  readonly guard?: AppendGuard;
  readonly signal?: AbortSignal;
  /**
   * Called where the entries are written and only the disk is waited for: the
   * answer will be true, or an error that leaves it open whether they are there.
   * Not called by a store that cannot tell the one from the other.
   */
  readonly onWritten?: () => void;
}

export interface RecordedResolved {
  readonly accepted: boolean;
  readonly checkpoint: Checkpoint;
  /**
   * Which of the schema's resolved messages it was, accepted or not, by all
   * daemons; null where the store is of one daemon at a time.
   */
  readonly messageNumber: number | null;
}

/** What `staging list` shows of an entry. */
export interface EntrySummary {
  /** Opaque, unique, ascending within equal `minTime`: a paging position. */
  readonly id: string;
  readonly schema: SchemaName;
  readonly table: string;
  readonly minTime: Timestamp;
  readonly maxTime: Timestamp;
  readonly rowCount: number;
  readonly byteCount: number;
}

export interface StagedEntry extends EntrySummary {
  readonly body: Buffer;
}

/** How far a schema has come. All times move forward only. */
export interface Checkpoint {
  /** The feed promised that nothing at or before this will come anew. */
  readonly resolved: Timestamp;
  /** Everything at or before this is committed at the target. */
  readonly applied: Timestamp;
  /** The last `applied` that was written inside the target (exactly-once). */
  readonly appliedInTarget: Timestamp;
  /** Entries wholly at or before this may be gone from the log. */
  readonly retired: Timestamp;
}

/** The memo that holds a source's position; forgotten with the checkpoint. */
export function positionMemo(schema: SchemaName): string {
  return `source-position:${schema}`;
}

/**
 * The memo of a time through which entries may have been purged, whether
 * applied or not: it outlives the checkpoint, and only grows.
 */
export function purgedMemo(schema: SchemaName): string {
  return `purged-through:${schema}`;
}

/** A row as it came, of which is asked whether it came before. */
export interface SoughtRow {
  readonly schema: SchemaName;
  readonly table: string;
  /** See {@link TableMutations.keyColumns}. */
  readonly keyColumns?: readonly string[];
  readonly key: JsonText;
  /** See mutation/row-version.ts. */
  readonly version: Timestamp;
}

export interface ReadWindow {
  /** Exclusive: mutations at or before this are not wanted. */
  readonly after: Timestamp;
  /** Inclusive. */
  readonly through: Timestamp;
  /** Continue behind this entry; null starts at the beginning. */
  readonly cursor: EntrySummary | null;
  /** Stop after this many bytes of bodies, though never before one entry. */
  readonly limitBytes: number;
  /** Stop after this many rows, though never before one entry (`scanSize`). */
  readonly limitRows: number;
}

export interface StagingSize {
  /**
   * Bytes the store occupies for entries, applied or not: of all schemas the
   * pages in use where the store knows them, of one schema its bodies.
   */
  readonly liveBytes: number;
  readonly entryCount: number;
  readonly rowCount: number;
}

/** One step of a source of whole transactions, which knows where each of them ends. */
export interface StagedStep {
  readonly schema: SchemaName;
  readonly entries: readonly NewEntry[];
  /** As `resolve`; a time that is not later leaves it where it is. */
  readonly resolved: Timestamp;
  /** Where the source stands behind this step; opaque here. */
  readonly position: string;
  /** The position before it; null begins. */
  readonly previous: string | null;
}

/** Selects entries for `staging list` and `staging purge`. */
export interface EntryFilter {
  readonly schema?: SchemaName;
  readonly table?: string;
  /** Only entries whose maxTime is at or before this. */
  readonly through?: Timestamp;
}

/**
 * Contract (test/contract/staging-store.ts runs it against every store):
 *  - a promise that resolves means *durable*: a kill -9 one instruction later
 *    loses nothing; a promise that rejects with disposition `retry` may be
 *    repeated, for appending twice does no harm (redeliveries);
 *  - one `append` call is all or nothing;
 *  - no entry is appended under a guard that does not hold any more, whoever
 *    else appends and resolves meanwhile: when `resolve` resolves, each entry
 *    that was guarded above a time at or before it is durable, or never will be;
 *  - concurrent `append` and `resolve` calls share commits (group commit);
 *  - `read` returns entries ordered by (minTime, id) whose
 *    `minTime <= through` and `maxTime > after`; an entry that was durable
 *    before `read` was called is in it. Bodies hold rows outside the window:
 *    the caller filters rows.
 */
export interface StagingStore extends AsyncDisposable {
  readonly kind: 'sqlite' | 'postgres';
  /** Null where the store is of one daemon at a time. */
  readonly leases: Leases | null;
  readonly tokens: TokenRegister;
  /** False, and nothing is appended, where the guard does not hold any more. */
  append(
    entries: readonly NewEntry[],
    options?: AppendOptions,
  ): Promise<boolean>;
  /**
   * Records a resolved timestamp. `accepted` is false when it lies before the
   * one recorded (it went backwards) and nothing was changed.
   */
  resolve(
    schema: SchemaName,
    time: Timestamp,
    signal?: AbortSignal,
  ): Promise<RecordedResolved>;
  /**
   * Appends, resolves and notes the position in one commit: after a crash all
   * of it is there or nothing. E2010 (retry), and nothing is changed, where
   * the position is not `previous`: another daemon has taken the source over.
   */
  advance(step: StagedStep, signal?: AbortSignal): Promise<Checkpoint>;
  /** The position noted last; null where there is none. */
  position(schema: SchemaName, signal?: AbortSignal): Promise<string | null>;
  /**
   * Deletes every entry later than `resolved`, in bounded steps: what a source
   * had appended of a transaction whose end it has not seen. Returns how many.
   */
  discardUnresolved(schema: SchemaName, signal?: AbortSignal): Promise<number>;
  read(
    schema: SchemaName,
    window: ReadWindow,
    signal?: AbortSignal,
  ): Promise<StagedEntry[]>;
  /** The schema's checkpoint; all zero where it has never been seen. */
  checkpoint(schema: SchemaName, signal?: AbortSignal): Promise<Checkpoint>;
  /** Moves `applied` (and `appliedInTarget` when `inTarget`) forward. */
  commitApplied(
    schema: SchemaName,
    applied: Timestamp,
    inTarget: boolean,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Sets `applied` (and `appliedInTarget`) back after the target was restored
   * to an older state; a later time changes nothing. False, and nothing is
   * changed, where `retired` lies beyond the time: what is missing may be gone.
   */
  rewindApplied(
    schema: SchemaName,
    applied: Timestamp,
    signal?: AbortSignal,
  ): Promise<boolean>;
  /**
   * Deletes entries with `maxTime <= through` in one bounded step and moves
   * `retired`, neither of them beyond the `applied` that is stored at that
   * moment, whatever the caller believes. Returns how many went; call again until 0.
   */
  retire(
    schema: SchemaName,
    through: Timestamp,
    limitEntries: number,
    signal?: AbortSignal,
  ): Promise<number>;
  /** Every schema that has a checkpoint or entries. */
  schemas(signal?: AbortSignal): Promise<SchemaName[]>;
  size(schema?: SchemaName, signal?: AbortSignal): Promise<StagingSize>;
  /** Entries not yet applied: for the backlog gauge and the status line. */
  backlog(
    schema: SchemaName,
    after: Timestamp,
    signal?: AbortSignal,
  ): Promise<{ entryCount: number; rowCount: number; byteCount: number }>;
  /** When the last of the rows that are there takes effect; zero where there are none. */
  latest(schema: SchemaName, signal?: AbortSignal): Promise<Timestamp>;
  list(
    filter: EntryFilter,
    limit: number,
    cursor: EntrySummary | null,
    signal?: AbortSignal,
  ): Promise<EntrySummary[]>;
  entry(id: string, signal?: AbortSignal): Promise<StagedEntry | null>;
  /**
   * What purge would delete, or (dryRun false) has deleted, in bounded steps.
   * `retired` moves with it, never beyond `applied`. A filter of a schema
   * alone means to begin anew: its checkpoint is forgotten too. Through which
   * time entries of the schema went is noted ({@link purgedMemo}).
   */
  purge(
    filter: EntryFilter,
    dryRun: boolean,
    signal?: AbortSignal,
  ): Promise<StagingSize>;
  /** Small durable notes (schema backup, learned key order), by name. */
  memo(name: string, signal?: AbortSignal): Promise<string | null>;
  setMemo(name: string, value: string, signal?: AbortSignal): Promise<void>;
  /**
   * Sets the memo if it is `expected` (null: not there), atomically between
   * daemons, and resolves to what stands there then: `value`, unless somebody
   * else was faster.
   */
  exchangeMemo(
    name: string,
    expected: string | null,
    value: string,
    signal?: AbortSignal,
  ): Promise<string | null>;
  /**
   * Whether the log may hold the row. False is certain: no entry that was
   * durable before the call, and is still there, has its table, version and key.
   * True where it cannot be told: the keys of an entry have other columns, or
   * too many entries would have to be looked into (sought-row.ts).
   */
  holds(row: SoughtRow, signal?: AbortSignal): Promise<boolean>;
  /** Really asks the store; rejects when it cannot answer. */
  ping(signal?: AbortSignal): Promise<void>;
}
