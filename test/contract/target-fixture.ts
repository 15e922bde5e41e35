/** What the cases of the target contract stand on; target.ts registers them. */
import { expect } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import type { Timestamp } from '../../src/mutation/timestamp.ts';
import { createApplier } from '../../src/target/applier.ts';
import type {
  ApplyOrder,
  SchemaShape,
  ShapeRows,
  TableShape,
  Target,
  TargetTransaction,
} from '../../src/target/target.ts';
import { textValues } from '../../src/target/row-values.ts';

export interface TargetFixture extends AsyncDisposable {
  readonly target: Target;
  readonly schema: SchemaName;
  /** One that the server keeps for itself. */
  readonly systemSchema: SchemaName;
  /** `--targetConn` of the target. */
  readonly url: string;
  /** As the owner of the tables, where that is another account. */
  readonly ownerUrl?: string;
  /** Gives the account what a dead-letter table of that name needs. */
  allowDeadLetters?(tableName: string): Promise<void>;
  /** Runs a statement with the schema as the default one. */
  sql(text: string): Promise<void>;
  /** All values as text, row by row. */
  rows(text: string): Promise<(string | null)[][]>;
  quote(name: string): string;
  /** Another target on the same schema. */
  reopen(options: ReopenOptions): Promise<Target>;
  /** Column definitions in the engine's words. */
  readonly ddl: TargetWords;
  readonly names: NameRules;
  /** How many columns a table may have; the suite asks for no more than 1000. */
  readonly maxColumnCount: number;
}

export interface ReopenOptions {
  readonly poolSize?: number;
  readonly applyTimeoutMs?: number;
  /** Another way to the same schema. */
  readonly url?: string;
}

export interface TargetWords {
  /** Eight bytes, signed. */
  readonly integer: string;
  /** Four bytes, so that a thousand of them are a row. */
  readonly smallInteger: string;
  /** Of any length; neither a key nor a literal default is asked of it. */
  readonly text: string;
  /** May be a key and have a default. Tells upper from lower case. */
  readonly shortText: (length: number) => string;
  /** At least 31 digits before the point and one behind it. */
  readonly decimal: string;
  /** Documents, whether or not the engine can compare them; else `text`. */
  readonly json?: string;
  /** Behind a type: the server numbers the rows, and other values need more than an insert. */
  readonly identityAlways: string;
  readonly identityByDefault: string;
  /** Type and all of a computed column. */
  readonly generated: (type: string, expression: string) => string;
  /** The whole statement that gives a column another name. */
  readonly renameColumn: (table: string, from: string, to: string) => string;
}

/** What the engine allows in the names of tables and columns. */
export interface NameRules {
  /** A name as long as may be. */
  readonly longest: string;
  isPossible(name: string): boolean;
  /** The same for two names that cannot stand side by side. */
  identityOf(name: string): string;
}

/**
 * Registers one case. Those that the engine cannot have are listed as skipped,
 * with the reason.
 */
export type RegisterCase = (title: string, work: () => Promise<void>) => void;

export function at(second: number): Timestamp {
  return `${String(1_700_000_000 + second).padStart(10, '0')}000000000.0000000000` as Timestamp;
}

/** A mutation as the source makes it: `row(1, [7], {id: '7'})`; digits stay text. */
export function row(
  second: number,
  key: readonly unknown[],
  after: Readonly<Record<string, string>> | null,
): Mutation {
  const members =
    after &&
    Object.entries(after).map(
      ([name, token]) => `${JSON.stringify(name)}: ${token}`,
    );
  return {
    time: at(second),
    key: `[${key.map((value) => (typeof value === 'string' ? value : String(value))).join(',')}]` as JsonText,
    after: members && (`{${members.join(', ')}}` as JsonText),
    before: null,
  };
}

export interface ApplyOptions {
  readonly collapse?: boolean;
  readonly order?: ApplyOrder;
  readonly target?: Target;
  readonly signal?: AbortSignal;
}

/** One transaction that applies mutations by table name. */
export async function applyTo(
  fixture: Pick<TargetFixture, 'target' | 'schema'>,
  changes: Readonly<Record<string, readonly Mutation[]>>,
  {
    collapse = true,
    order,
    target = fixture.target,
    signal,
  }: ApplyOptions = {},
): Promise<void> {
  const shape = await shapeOf(fixture);
  await using transaction = await target.begin(signal);
  await createApplier({ collapse }).apply(
    Object.entries(changes).map(([name, mutations]) => ({
      table: shape.tables.get(name)!,
      mutations,
    })),
    transaction,
    signal ?? new AbortController().signal,
    order,
  );
  await transaction.commit(null);
}

export async function shapeOf({
  target,
  schema,
}: Pick<TargetFixture, 'target' | 'schema'>): Promise<SchemaShape> {
  const shape = await target.introspect(schema);
  expect(shape).not.toBeNull();
  return shape!;
}

/** Whether it does now: a short apply timeout is also the time for a login. */
export function answers(target: Pick<Target, 'ping'>): Promise<boolean> {
  return target.ping().then(
    () => true,
    () => false,
  );
}

/** The failure that the work ends in. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<ReplicatorError> {
  const outcome = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(ReplicatorError);
  return outcome as ReplicatorError;
}

/** The JSON of a row's values. */
export type Row = Readonly<Record<string, string>>;

/** Rows for a target's own methods, all with the same columns. */
export function rowsOf(table: TableShape, rows: readonly Row[]): ShapeRows {
  const columns = table.columns.filter(({ name }) => name in rows[0]!);
  return {
    table,
    columns,
    values: textValues(
      columns.map(({ name }) => rows.map((each) => each[name] as JsonText)),
      rows.length,
    ),
    rowCount: rows.length,
  };
}

/** One transaction that does what it is asked. */
export async function transact(
  fixture: Pick<TargetFixture, 'target' | 'schema'>,
  work: (transaction: TargetTransaction, shape: SchemaShape) => Promise<void>,
): Promise<void> {
  const shape = await shapeOf(fixture);
  await using transaction = await fixture.target.begin();
  await work(transaction, shape);
  await transaction.commit(null);
}

/** A row of a table without a key: its key is all that it holds. */
export function keyless(
  second: number,
  kind: 'insert' | 'delete',
  values: Row,
): Mutation {
  const whole = row(second, Object.values(values), values);
  return kind === 'insert'
    ? whole
    : { ...whole, after: null, before: whole.after };
}
