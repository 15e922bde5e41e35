/** What preflight finds at a PostgreSQL source, as `pglogical` would read it. */
import { parsePostgresAddress } from '../../config/address/postgres.ts';
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
  await using session = await openSourceSession(
    parsePostgresAddress(values.sourceConn, '--sourceConn'),
    signal,
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
