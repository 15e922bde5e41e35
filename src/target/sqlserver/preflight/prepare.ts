/** Runs what preparation.ts writes, one step after the other. */
import { parseSqlServerAddress } from '../../../config/address/sqlserver.ts';
import type { Preparation, PreparationStep } from '../../preparation.ts';
import type { PrepareOptions } from '../../open-target.ts';
import { ownTableSteps } from '../../own-tables/own-tables.ts';
import {
  deadLetterDialect,
  deadLetterParameters,
} from '../statements/dead-letter-statements.ts';
import { SqlServerConnection } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import {
  needsHand,
  preparationStatement,
  type Unprepared,
} from './preparation.ts';
import {
  checkpointTable,
  createCheckpointStatement,
} from '../statements/watermark-statements.ts';
import { readUnprepared } from '../session/unprepared.ts';

export async function openSqlServerPreparation(
  { url, applyTimeoutMs, ...plan }: PrepareOptions,
  signal: AbortSignal,
): Promise<Preparation> {
  const connection = await SqlServerConnection.dial(
    parseSqlServerAddress(url, '--targetConn'),
    { applyTimeoutMs },
    signal,
  );
  try {
    const unprepared = await readUnprepared((text) =>
      connection.query(text, {}),
    );
    return {
      steps: [
        ...unprepared.map(stepOf),
        ...(await ownTableSteps(
          {
            dialect: deadLetterDialect,
            checkpointTable,
            createCheckpoint: createCheckpointStatement,
          },
          plan,
          (statement) =>
            connection.query(statement.text, deadLetterParameters(statement)),
        )),
      ],
      batchEnd: '\nGO',
      run: (step) => runStep(connection, step),
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw targetFailure(error, 'statement');
  }
}

function stepOf(unprepared: Unprepared): PreparationStep {
  const { schema, name } = unprepared.table;
  const object = 'name' in unprepared ? ` ${unprepared.name}` : '';
  return {
    what: `${unprepared.kind}${object} of ${schema}.${name}`,
    statement: preparationStatement(unprepared),
    needsHand: needsHand(unprepared),
  };
}

/** Whole or not at all: a constraint that is dropped is there again, or was never gone. */
async function runStep(
  connection: SqlServerConnection,
  { statement }: PreparationStep,
): Promise<void> {
  try {
    await connection.batch('set xact_abort on; begin transaction;');
    // A batch of its own, as ALTER TRIGGER must be.
    await connection.batch(statement);
    await connection.batch('commit transaction;');
  } catch (error) {
    await connection
      .batch('if @@trancount > 0 rollback transaction;')
      .catch(() => {});
    throw targetFailure(error, 'statement');
  }
}
