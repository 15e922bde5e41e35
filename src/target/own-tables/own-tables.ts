/**
 * The tables of ours that the owner of a schema may make, so that the daemon's
 * account needs no CREATE: the watermark, and where rows are set aside the
 * dead letters. The same for every engine.
 */
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { DeadLetterDialect } from './dead-letter-sql.ts';
import type { RunStatement } from './dead-letter-table.ts';
import type { Preparation, PreparationStep } from '../preparation.ts';
import type { GrantPlan } from '../privileges.ts';

export type OwnTablePlan = Pick<
  GrantPlan,
  'schemas' | 'dlqTableName' | 'setsAside'
>;

export interface OwnTableWords {
  readonly dialect: DeadLetterDialect;
  readonly checkpointTable: string;
  readonly createCheckpoint: (schema: SchemaName) => string;
}

/** Those that are not there yet. */
export async function ownTableSteps(
  { dialect, checkpointTable, createCheckpoint }: OwnTableWords,
  { schemas, dlqTableName, setsAside }: OwnTablePlan,
  run: RunStatement,
): Promise<PreparationStep[]> {
  const steps: PreparationStep[] = [];
  for (const schema of schemas) {
    const isThere = async (name: string): Promise<boolean> =>
      (await run(dialect.columnsStatement(schema, name))).length > 0;
    if (!(await isThere(checkpointTable))) {
      steps.push({
        what: `the watermark of ${schema}`,
        statement: createCheckpoint(schema),
        needsHand: false,
      });
    }
    if (setsAside && !(await isThere(dlqTableName))) {
      steps.push({
        what: `the dead letters of ${schema}`,
        statement: dialect.createStatement(
          dialect.tableName(schema, dlqTableName),
        ),
        needsHand: false,
      });
    }
  }
  return steps;
}

/** For an engine that needs nothing else; the connection is its own. */
export async function ownTablePreparation(
  words: OwnTableWords,
  plan: OwnTablePlan,
  session: AsyncDisposable & {
    readonly run: RunStatement;
    readonly failureOf: (error: unknown) => Error;
  },
): Promise<Preparation> {
  try {
    return {
      steps: await ownTableSteps(words, plan, session.run),
      batchEnd: ';',
      async run({ statement }) {
        try {
          await session.run({ text: statement, values: [], kinds: [] });
        } catch (error) {
          throw session.failureOf(error);
        }
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw session.failureOf(error);
  }
}
