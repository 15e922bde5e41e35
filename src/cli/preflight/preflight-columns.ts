/** What preflight finds when it holds the source's columns against the target's. */
import { parsePostgresAddress } from '../../config/address/postgres.ts';
import type { preflightOptions, OptionValues } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import type { Finding } from '../../failure/finding.ts';
import { fitFindings } from '../../migration/preflight/column-fit.ts';
import { readSourceTables } from '../../migration/preflight/source-columns.ts';
import { schemaName } from '../../mutation/schema-name.ts';
import {
  columnRefusals,
  defaultTargetOptions,
  openTarget,
} from '../../target/open-target.ts';
import { typedSchema } from '../typed-words.ts';

/** Nothing without `--sourceConn`. Throws E4012 and E6001. */
export async function columnFindings(
  values: OptionValues<typeof preflightOptions>,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (values.sourceConn === '') {
    return [];
  }
  const address = parsePostgresAddress(values.sourceConn, '--sourceConn');
  const options = {
    ...defaultTargetOptions,
    url: values.targetConn,
    applyTimeoutMs: values.applyTimeout,
    oracleEmptyString: values.oracleEmptyString,
    dlqTableName: values.dlqTableName,
  };
  await using target = await openTarget(options);
  const schema =
    typedSchema(values.targetSchema) ??
    schemaName(target.examplePath.slice(1).split('/').map(decodeURIComponent));
  const [source, shape] = await Promise.all([
    readSourceTables(address, values.sourceSchema, signal),
    target.introspect(schema, signal),
  ]);
  if (shape === null) {
    throw new ReplicatorError('E4012', {
      detail: `there is no schema ${schema} at the target`,
      remedy:
        'name it with --targetSchema, as shop.public or as a webhook path shop/public',
    });
  }
  if (source.length === 0) {
    return [
      {
        level: 'error',
        subject: 'source',
        text: `the schema ${values.sourceSchema} of the source has no tables that the account may see`,
        remedy: 'name another with --sourceSchema',
      },
    ];
  }
  return fitFindings(source, shape, await columnRefusals(options));
}
