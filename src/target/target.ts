/**
 * The door of `target/`: where mutations land.
 *
 * A folder an engine (postgres/, mysql/, sqlserver/, oracle/) provides a
 * {@link Target}; the applier (applier.ts) is the same for all of them.
 */
import type { DeadLetterBox, DeadLetters } from './dead-letters.ts';
import type { EncodedRows, JsonText, Mutation } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { RowValues } from './row-values.ts';

/** One column as the catalog has it. */
export interface ColumnShape {
  readonly name: string;
  /**
   * The engine's SQL text of the type without length or scale, safe to put
   * behind a cast (`pg_catalog.int8`, `"public"."mood"`, `"bit"`).
   */
  readonly type: string;
  /** How JSON becomes this type's text; each engine's values.ts reads it. */
  readonly codec: ColumnCodec;
  /** Position in the primary key from 0, or null. */
  readonly keyOrdinal: number | null;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  /** Computed by the target: accepted from the source and dropped. */
  readonly generated: boolean;
  readonly identity: 'always' | 'by-default' | null;
  /**
   * Key columns: the SQL text of the operator under which the key is unique,
   * where it is not the engine's usual `=` (`operator("ext".=)` of citext).
   */
  readonly keyOperator?: string;
  /** Foreign keys of some table end here, of whichever schema it is. */
  readonly referred?: true;
}

/** Opaque here: introspect.ts of the engine makes it, its values.ts reads it. */
export interface ColumnCodec {
  readonly kind: string;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  /** Printed schema name of the parent; often the schema itself. */
  readonly parentSchema: SchemaName;
  readonly parentTable: string;
  readonly parentColumns: readonly string[];
  readonly deferrable: boolean;
}

/** A foreign key with the table whose rows refer by it. */
export interface TableReference {
  readonly child: TableShape;
  readonly key: ForeignKey;
}

export interface TableShape {
  readonly schema: SchemaName;
  readonly name: string;
  /** Catalog order. */
  readonly columns: readonly ColumnShape[];
  readonly columnByName: ReadonlyMap<string, ColumnShape>;
  /** Primary key columns in key order; empty when the table has none. */
  readonly primaryKey: readonly ColumnShape[];
  /** The key is checked at commit, so no statement can arbitrate by it. */
  readonly keyDeferrable: boolean;
  /** Other tables inherit from it: statements must name it alone. */
  readonly hasInheritors: boolean;
  /** Deleting a row takes or changes others: foreign keys cascade, triggers fire. */
  readonly deleteTakes?: boolean;
  /** As that, or a row cannot be deleted and inserted again unnoticed. */
  readonly deleteHasEffects?: boolean;
  /** No trigger runs when a row is deleted. Absent: that is not known. */
  readonly deletesQuietly?: boolean;
  /**
   * No trigger runs when a row is written or deleted, and no constraint but
   * keys looks at other rows. Absent: that is not known.
   */
  readonly changesQuietly?: boolean;
  /**
   * A check over several columns, or a trigger before inserts, may refuse a row
   * that lacks columns though it is there. Absent: that is not known.
   */
  readonly looksAtInserts?: boolean;
  /** Column lists of unique constraints and indexes beside the primary key. */
  readonly uniqueKeys: readonly (readonly string[])[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Changes whenever anything above changes: keys the statement cache. */
  readonly fingerprint: string;
}

export interface SchemaShape {
  readonly name: SchemaName;
  readonly tables: ReadonlyMap<string, TableShape>;
}

/** Rows of one table that carry the same set of columns. */
export interface ShapeRows {
  readonly table: TableShape;
  /** Never generated columns; always every primary key column. */
  readonly columns: readonly ColumnShape[];
  readonly values: RowValues;
  readonly rowCount: number;
  /**
   * True: the row was deleted and inserted again, so columns that are not
   * carried take their defaults instead of keeping what the old row had.
   */
  readonly replace?: boolean;
  /**
   * True: the rows may pass unique values between them. Where such a value
   * cannot be taken away first (`vacateUniqueKeys` said false), the target
   * writes the rows anew, if that has no effect beyond them.
   */
  readonly passUniqueValues?: boolean;
  /**
   * True: so may values that rows refer to. These look after each statement,
   * and so after each link of a chain, whether the value is still there.
   */
  readonly passReferredValues?: boolean;
}

/** Keys to delete: `keys[k][r]` is the JSON of key column k in row r. */
export interface KeyRows {
  readonly table: TableShape;
  readonly keys: readonly (readonly JsonText[])[];
  readonly rowCount: number;
}

/**
 * Rows that get another key: `from[k][r]` becomes `to[k][r]`. No key comes
 * twice on one side; on both sides any may, and in circles.
 */
export interface KeyMoves {
  readonly table: TableShape;
  readonly from: readonly (readonly JsonText[])[];
  readonly to: readonly (readonly JsonText[])[];
  readonly rowCount: number;
}

/** What the watermark row in the target says (`replicator_checkpoint`). */
export interface TargetCheckpoint {
  readonly applied: Timestamp;
  readonly epoch: number;
}

/** One step of the watermark in the target. */
export interface WatermarkMove {
  readonly schema: SchemaName;
  readonly checkpoint: TargetCheckpoint;
  /** Where the watermark stands in the target before this step. */
  readonly previous: Timestamp;
}

/** Holds a commit to the epoch, and leaves the watermark where it is. */
export interface EpochFence {
  readonly schema: SchemaName;
  readonly epoch: number;
}

/** What a commit may be tied to, in the same transaction. */
export type CommitMark = WatermarkMove | EpochFence;

/**
 * One open target transaction. Disposing it without `commit` rolls back.
 * Statements are executed in call order on one connection; the next may be
 * called before the one before it has been answered. After a failure every
 * later call rejects with that first failure.
 */
export interface TargetTransaction extends AsyncDisposable {
  upsert(rows: ShapeRows): Promise<void>;
  /**
   * Takes the rows' other unique values away (sets them to null, where every
   * other unique key allows it) so that the upsert that follows may pass them
   * around between rows. Resolves to false where the table does not allow it.
   */
  vacateUniqueKeys(keys: KeyRows): Promise<boolean>;
  /**
   * Gives rows that are there the values that are carried; one that is not
   * there is no matter. Other columns than these stay, `replace` or not.
   */
  update(rows: ShapeRows): Promise<void>;
  readonly parking: ParkingRules;
  delete(keys: KeyRows): Promise<void>;
  /**
   * As that, of those rows only to which no row refers by one of the foreign
   * keys given: nothing is taken along. Absent where `deletesQuietly` is.
   */
  deleteUnreferred?(
    keys: KeyRows,
    references: readonly TableReference[],
  ): Promise<void>;
  /**
   * Gives rows another key and leaves all else; one that is not there is no
   * matter. Within one call keys may pass between the rows in any way, circles
   * included. Where rows must be deleted and inserted again for that, rows
   * that refer to them keep what they refer to, and where deleting does more
   * than that the call is refused (E4013).
   */
  moveKeys(moves: KeyMoves): Promise<void>;
  /** Inserts rows of a table without a primary key: nothing is looked up. */
  insert(rows: ShapeRows): Promise<void>;
  /**
   * Deletes from a table without a primary key: for each row given one that
   * equals it in every column given (NULL equals NULL); where there are fewer,
   * fewer. Values are compared as the column would hold them. Where a type
   * keeps equal values in several writings (1.0 and 1.00 of PostgreSQL's
   * numeric), a row that is written as the one given in all columns goes
   * before one that is merely equal.
   */
  deleteEqual(rows: ShapeRows): Promise<void>;
  /**
   * Empties the tables, which are given children first. With `restartIdentity`
   * their identity counters start again where the engine can do that inside
   * a transaction. What the tables' foreign keys forbid is refused.
   */
  truncate(
    tables: readonly TableShape[],
    restartIdentity: boolean,
  ): Promise<void>;
  /** The dead letters of a schema, in call order with the statements here. */
  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox;
  /**
   * Checks now what waits for the commit, and fails as the commit would:
   * whether a transaction could be committed is known without committing it.
   * Nothing waits any more in this transaction.
   */
  checkConstraints(): Promise<void>;
  /**
   * Lets the server hear that the transaction is still wanted: it ends those
   * in which nothing happens for as long as a statement may take.
   */
  keepAlive(): Promise<void>;
  /**
   * Commits. With a move, moves the schema's watermark inside the same
   * transaction. Fails, writing nothing, with E4009 (halt) when a later epoch
   * than ours is there, and with E4017 (retry) when an earlier one is, or the
   * epoch is ours and the watermark is not at `previous`: the target was
   * restored, or failed over to a replica that lagged. A connection lost
   * during commit rejects with E4002 (retry): whether it was committed is told
   * by `checkpoint()`.
   *
   * With a fence the epoch is looked at in the same way and kept from being
   * raised until the commit has ended; commits with fences run side by side
   * where the engine has shared row locks. A row that is gone is E4017 behind
   * a fence, and E4009 behind a move.
   */
  commit(mark: CommitMark | null): Promise<void>;
  /**
   * The transaction that comes next on this connection, begun before this one
   * has ended. Its statements are made ready, and sent right behind the commit
   * of this one, whose answer nobody waits for. So it finds what this one has
   * written, and no lock of it. They fail if this one does not commit; and its
   * own commit must not be called before this one is known to have committed.
   *
   * Null where it has a follower already, is one that waits, or has failed, and
   * where somebody else waits for a connection.
   * Absent where the engine does not take a statement before the last answer.
   */
  follow?(): TargetTransaction | null;
  /**
   * Asks the server, on another connection, whether it waits for a lock. Null
   * where the account may not ask.
   */
  waitsForLock(): Promise<boolean | null>;
}

/** How rows of an engine can be without their unique values for a while. */
export interface ParkingRules {
  /**
   * Of such columns of a unique key those to set to null, so that any number
   * of rows may have none; null where that does not help.
   */
  nullColumns(
    columns: readonly ColumnShape[],
    key: readonly ColumnShape[],
  ): readonly ColumnShape[] | null;
  /** Of a type with so many values that some are not in use; else null. */
  spareKind(column: ColumnShape): SpareKind | null;
}

/** Values that nobody uses are drawn from these. */
export type SpareKind =
  | { readonly kind: 'text'; readonly length: number }
  | { readonly kind: 'integer'; readonly min: bigint; readonly max: bigint }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'date' }
  | { readonly kind: 'timestamp'; readonly hasZone: boolean };

export type TargetEngine =
  | 'postgres'
  | 'mysql'
  | 'mariadb'
  | 'sqlserver'
  | 'oracle';

/**
 * Contract (test/contract/target.ts): every rejection is a ReplicatorError of
 * the 4xxx range whose disposition is the engine's errors.ts entry; aborting
 * the signal cancels the statement at the server and rolls back.
 */
export interface Target extends AsyncDisposable {
  readonly engine: TargetEngine;
  /** How many path segments name a schema: 2 for PostgreSQL and SQL Server, else 1. */
  readonly schemaNameParts: number;
  /** An example of a right webhook path, for error texts: `/db/public`. */
  readonly examplePath: string;
  /** Server version text, for logs and /_/diag. */
  version(signal?: AbortSignal): Promise<string>;
  /** Null where no such schema exists. Never lists our own tables. */
  introspect(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<SchemaShape | null>;
  begin(signal?: AbortSignal): Promise<TargetTransaction>;
  /**
   * Opens the watermark for one daemon: creates `replicator_checkpoint` where
   * permitted and needed, raises the epoch and returns the row. Null when
   * the account may not create the table: the daemon is effectively-once.
   *
   * With `epoch` null the epoch is raised by one. With a number it becomes
   * that one if it is greater than the one there; else nothing changes and
   * the call rejects with E4009 (halt): somebody has claimed since.
   *
   * `stagingId` names the staging store that the watermark belongs to. A
   * watermark above zero that belongs to another one is left alone and
   * rejects with E4016 (halt): what that store still holds would be skipped.
   */
  claimCheckpoint(
    schema: SchemaName,
    stagingId: string,
    epoch: number | null,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null>;
  /** The watermark as committed; null where there is none. */
  checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null>;
  /** The dead letters of a schema, in its table of that name. */
  deadLetters(schema: SchemaName, tableName: string): DeadLetters;
  ping(signal?: AbortSignal): Promise<void>;
  /**
   * Ends the sessions that another process has opened under this name
   * (`sessionName` of the options), and says how many: one that is frozen, or
   * cut off, would keep its locks for as long as the server bears it. Absent
   * where an ordinary account cannot do so.
   */
  endSessionsOf?(sessionName: string, signal?: AbortSignal): Promise<number>;
  /** Whether the column takes a text with U+0000, as it is or by policy. */
  takesNul(table: TableShape, column: ColumnShape): boolean;
  /** For the metrics. */
  poolCounts(): PoolCounts;
  statementCounts(): StatementCounts;
}

export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** So many more could be lent at once: those idle, and places without one. */
  readonly spare: number;
  readonly waiting: number;
  /** Connections opened since the start, and dials that failed. */
  readonly dialCount: number;
  readonly dialErrorCount: number;
  /** Borrowers that had to wait since the start, and how long altogether. */
  readonly waitCount: number;
  readonly waitSeconds: number;
}

/** Prepared statements since the start, over all connections. */
export interface StatementCounts {
  readonly hitCount: number;
  readonly missCount: number;
  readonly dropCount: number;
}

/**
 * `upserts-first`: parents before children, then deletes, children before
 * parents; right for foreign keys. `deletes-first` frees unique values before
 * others want them; right for unique keys, and tried when the first fails.
 * `values-parked` takes the unique values of all rows away first, null or none
 * that is in use standing in for them, so that deletes may come last; right
 * for both, and tried when neither is.
 * `part`: as the first, for a part of a transaction, whose deletes come before
 * the upserts of the parts behind it.
 * `unlinks`: rows that are to be deleted lose their references, no more.
 * `park`, `parked`: the third one, for parts of a transaction all of which give
 * up their values first and are written or deleted when they come again.
 */
export type ApplyOrder =
  | 'upserts-first'
  | 'deletes-first'
  | 'values-parked'
  | 'part'
  | 'unlinks'
  | 'park'
  | 'parked';

/** See {@link TableMutations}: of encoded rows both say the same. */
export interface TableRows {
  readonly table: TableShape;
  readonly mutations: readonly Mutation[];
  readonly encoded?: EncodedRows;
}

/** Applies one batch inside one open transaction; see applier.ts. */
export interface Applier {
  apply(
    tables: readonly TableRows[],
    transaction: TargetTransaction,
    signal: AbortSignal,
    order?: ApplyOrder,
  ): Promise<void>;
}
