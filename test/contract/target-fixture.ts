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
  Target,
} from '../../src/target/target.ts';

export interface TargetFixture extends AsyncDisposable {
  readonly target: Target;
  readonly schema: SchemaName;
  /** Runs a statement with the schema as the default one. */
  sql(text: string): Promise<void>;
  /** All values as text, row by row. */
  rows(text: string): Promise<(string | null)[][]>;
  quote(name: string): string;
  /** Another target on the same schema. */
  reopen(options: {
    poolSize?: number;
    applyTimeoutMs?: number;
  }): Promise<Target>;
  /** Column definitions in the engine's words. */
  readonly ddl: {
    readonly integer: string;
    readonly text: string;
    readonly shortText: (length: number) => string;
    readonly decimal: string;
    readonly identityAlways: string;
    readonly identityByDefault: string;
    readonly generated: (expression: string) => string;
  };
  /** Longest table or column name, in bytes. */
  readonly maxNameBytes: number;
}

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
