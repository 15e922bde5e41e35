/**
 * The door of `engines/`: what the checker must know of a kind of database.
 * It knows that by itself: it shares nothing with the engines of `target/`,
 * which it checks.
 */
import type { RowText } from '../comparison.ts';
import type { Cell } from '../values.ts';

/** What the columns of the workload hold. */
export const columnKinds = [
  'int4',
  'int8',
  'decimal',
  'float8',
  'bool',
  /** Text that may stand in a key. */
  'short text',
  'text',
  'date',
  'instant',
  'bytes',
  'json',
  'uuid',
  'int8 array',
  'text array',
] as const;
export type ColumnKind = (typeof columnKinds)[number];

/** A cell that is not NULL. */
export interface ValueCell extends Cell {
  readonly text: string;
}

/** How an engine stores a kind of column, and prints it. */
export interface ColumnForm {
  /** Of `create table`. Every value of the workload fits it exactly. */
  readonly sqlType: string;
  /** The expression that gives the column as text; absent: itself. */
  readonly read?: (column: string) => string;
  /** What `read` must give where the source has this cell. */
  readonly expected: (cell: ValueCell) => string;
  /**
   * The one form of a text that can be written in several ways and mean the
   * same. Applied to what was read; `expected` gives that form already.
   */
  readonly normalised?: (text: string) => string;
}

export type ColumnForms = Readonly<Record<ColumnKind, ColumnForm>>;

export interface Engine {
  readonly forms: ColumnForms;
  /** False: numbers inside JSON pass through a double there. */
  readonly exactJsonNumbers: boolean;
  /** A name as it stands in statements. */
  readonly quote: (name: string) => string;
  /** Rejects with the driver's error, or E5002 for an address that is none. */
  connect(options: ConnectOptions): Promise<EngineSession>;
}

export interface ConnectOptions {
  /** `--targetConn`. */
  readonly url: string;
  /** Called when the connection has gone by itself. */
  readonly onLost: () => void;
}

/** One connection. After a failure it is of no use any more. */
export interface EngineSession {
  /** Data definition; all of it or nothing where the engine can do that. */
  execute(statements: readonly string[]): Promise<void>;
  /** What every query finds at one and the same instant of the database. */
  look(queries: readonly string[]): Promise<RowText[][]>;
  /** `drop table if exists`, for engines that have it or not. */
  dropTable(table: string): string;
  /** What stands behind the column list of `create table`. */
  readonly tableOptions: string;
  close(): Promise<void>;
}

/** Nothing the daemon does may depend on how long we wait for the target. */
export const connectTimeoutMs = 5000;
export const statementTimeoutMs = 60_000;
