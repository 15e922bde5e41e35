/**
 * The door of `source/`: how mutations arrive, and whom they are handed to.
 *
 * A source reads a socket it does not own and hands what it recognised on:
 * changefeed/ to a {@link Feed}, logical/ to a {@link TransactionFeed}. Whether the feed stages and
 * waits or applies at once is the feed's affair: sources never know the mode.
 */
import type { JsonText, TableMutations } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { SchemaShape, TableShape } from '../target/target.ts';

/** Tables of which deletes were read in an order that nothing has proven. */
export interface OrderTrust {
  readonly tables: ReadonlySet<string>;
  readonly givenUpCount: number;
}

/**
 * In which order a source lists the columns of each table's key: the source
 * learns and asks, the feed keeps it over restarts.
 */
export interface FeedKeyOrders {
  /** Whether `arrange` knows the order, or any order would do. */
  isProven(table: TableShape): boolean;
  /** Learns from a key that came in both orders; E1017 where none fits. */
  observe(
    table: TableShape,
    source: readonly string[],
    target: readonly string[],
  ): void;
  /** The source has said where each target key column stands. */
  declare(table: TableShape, sourcePositions: readonly number[]): void;
  /** The elements of a source's array in the order of the target's key. */
  arrange(table: TableShape, source: readonly JsonText[]): JsonText[];
  /** What was arranged on trust since the last call; null where nothing was. */
  takeTrust(): OrderTrust | null;
}

/** One target schema, as a source sees it. */
export interface Feed {
  readonly schema: SchemaName;
  /** The target's tables as last read. */
  shape(): SchemaShape;
  /**
   * Reads the catalog again, for a name that the shape does not know. Looks
   * are at least a second apart: a call waits for the next one and shares it.
   */
  refreshShape(): Promise<SchemaShape>;
  readonly keyOrders: FeedKeyOrders;
  /**
   * Looks whether another daemon knows better, and makes durable what is
   * assumed. False: the request must be decoded again.
   */
  confirmOrders(trust: OrderTrust): Promise<boolean>;
  /**
   * Takes responsibility for the mutations: when it resolves the sender may
   * hear "yes" (consistent: durable in staging; immediate: also applied).
   * All or nothing; repeating is harmless. Rejects with a ReplicatorError.
   */
  accept(tables: readonly TableMutations[]): Promise<void>;
  /**
   * The sender promises that nothing at or before the time will come anew.
   * A time before the last one is ignored, counted and logged.
   */
  resolve(time: Timestamp): Promise<void>;
}

/** The feeds of this daemon, opened when a request first names them. */
export interface Feeds {
  /**
   * Null where the target has no such schema. Rejects with E4001 or E3004
   * when that cannot be known at the moment. One that is open is there at once.
   */
  open(schema: SchemaName): Feed | Promise<Feed | null>;
}

/** What a source of whole transactions hands on at once. */
export interface SourceStep {
  /** In the order in which they must take effect, table by table. */
  readonly tables: readonly TableMutations[];
  /** Every transaction at or before this is in the feed whole. */
  readonly resolved: Timestamp;
  /** Where the source stands behind this step; a text of the source's own. */
  readonly position: string;
  /**
   * Given: the rows are a part of a transaction at this time, which goes on.
   * Each part is a run of the source's statements.
   */
  readonly partOf?: Timestamp;
}

/**
 * One target schema, as a source sees it that knows where each of its
 * transactions ends, and from where it can read again (logical/).
 */
export interface TransactionFeed {
  readonly schema: SchemaName;
  /** See {@link Feed.shape}. */
  shape(): SchemaShape;
  /** See {@link Feed.refreshShape}. */
  refreshShape(): Promise<SchemaShape>;
  /** The position of the last step; null where there never was one. */
  position(): Promise<string | null>;
  /**
   * Takes over from whoever made the last step: from now on only steps of
   * this reader are accepted. What was staged of a transaction whose end was
   * never seen is discarded: the source sends it again. Resolves to the time
   * through which transactions are in the feed. E2010 where another reader
   * was faster, E6008 where the feed belongs to another kind of source.
   */
  begin(position: string, previous: string | null): Promise<Timestamp>;
  /**
   * Durable when it resolves: rows, resolved time and position together, or
   * nothing of it. Rows later than `resolved` belong to a transaction that
   * has not ended. Rejects with a ReplicatorError, E2010 where another reader
   * has taken over.
   */
  advance(step: SourceStep): Promise<void>;
  /** Throws E2002 while staging has no room for another transaction. */
  admit(): void;
}
