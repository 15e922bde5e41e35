/** Makes the tables of ours as the owner of the schema. */
import { parseOracleAddress } from '../../../config/address/oracle.ts';
import type { PrepareOptions } from '../../open-target.ts';
import { ownTablePreparation } from '../../own-tables/own-tables.ts';
import { nothingToPrepare, type Preparation } from '../../preparation.ts';
import {
  deadLetterDialect,
  runDeadLetterStatement,
} from '../statements/dead-letter-statements.ts';
import { OracleConnection } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import {
  checkpointTable,
  createCheckpointStatement,
} from '../statements/watermark-statements.ts';

/** Dials nothing where no schema is named. */
export async function openOraclePreparation(
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<Preparation> {
  const address = parseOracleAddress(options.url, '--targetConn');
  if (options.schemas.length === 0) {
    return nothingToPrepare;
  }
  const connection = await OracleConnection.dial(
    address,
    {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
    signal,
  );
  return await ownTablePreparation(
    {
      dialect: deadLetterDialect,
      checkpointTable,
      createCheckpoint: createCheckpointStatement,
    },
    options,
    {
      run: (statement) => runDeadLetterStatement(connection, statement),
      failureOf: (error) => targetFailure(error, 'statement'),
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    },
  );
}
