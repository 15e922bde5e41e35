/** What preflight finds at a PostgreSQL source, as `pglogical` would read it. */
import {
  parsePostgresAddress,
  type PostgresAddress,
} from '../../config/address/postgres.ts';
import { postgresNameOnOneLine } from '../../lib/one-line-name.ts';
import type { OptionValues, preflightOptions } from '../../config/options.ts';
import { parseSchemaMap } from '../../config/schema-map.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import type { Finding } from '../../failure/finding.ts';
import { publicationNames } from './prepare-source.ts';
import { sourceFindings } from '../../source/logical/server/source-checks.ts';
import type { SourceNeeds } from '../../source/logical/server/source-needs.ts';
import { openSourceSession } from '../../source/logical/server/source-session.ts';

/** Nothing without `--publicationName`. Throws E5004, E6001 and E6010. */
export async function slotSourceFindings(
  values: OptionValues<typeof preflightOptions>,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (values.publicationName === '') {
    return [];
  }
  if (values.sourceConn === '') {
    throw new ReplicatorError('E5004', {
      detail: '--publicationName is given without --sourceConn',
      remedy: 'give the address of the source in --sourceConn',
    });
  }
  const address = parsePostgresAddress(values.sourceConn, '--sourceConn');
  await using session = await openSourceSession(address, signal).catch(
    (error: unknown) => {
      throw namingConnect(error, address, values.grantee);
    },
  );
  return await sourceFindings(session, sourceNeeds(values));
}

export function sourceNeeds(
  values: OptionValues<typeof preflightOptions>,
): SourceNeeds {
  return {
    slotName: values.slotName,
    publicationNames: publicationNames(values),
    schemas: [
      values.sourceSchema,
      ...parseSchemaMap(values.schemaMap).map(({ source }) => source),
    ],
    willCreateSlot: values.createSlot,
    willCreatePublication: values.createPublication,
    slotFailover: values.slotFailover,
    standbyTimeoutMs: values.standbyTimeout,
    origin: values.origin,
  };
}

/** Who may not connect at all is told by which grant. */
function namingConnect(
  error: unknown,
  { config: { database, user } }: PostgresAddress,
  grantee: string,
): unknown {
  const { cause } = error as { cause?: { code?: unknown } };
  return error instanceof ReplicatorError &&
    cause?.code === '42501' &&
    database !== undefined &&
    user !== undefined
    ? new ReplicatorError(error.code, {
        detail: `the account may not connect to the database ${database}`,
        remedy: `GRANT CONNECT ON DATABASE ${postgresNameOnOneLine(database)} TO ${postgresNameOnOneLine(grantee || user)};`,
      })
    : error;
}
