/** What a daemon would refuse because of how the target's tables are made. */
import type { StartValues } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { type Finding, listedFindings } from '../../failure/finding.ts';
import { schemaName } from '../../mutation/schema-name.ts';
import { refuseForeignKeys } from '../../pipeline/chosen-mode.ts';
import { defaultTargetOptions, openTarget } from '../../target/open-target.ts';
import type { GrantPlan } from '../../target/privileges.ts';
import { requireWritableKey } from '../../target/require-key.ts';
import type { SchemaShape } from '../../target/target.ts';

/** E4022 and E3010, of the schemas that are named, else of the one that the address suggests. */
export async function shapeFindings(
  values: StartValues,
  { schemas }: Pick<GrantPlan, 'schemas'>,
  signal: AbortSignal,
): Promise<Finding[]> {
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: values.targetConn,
    applyTimeoutMs: values.applyTimeout,
    dlqTableName: values.dlqTableName,
  });
  const suggested = schemaName(
    target.examplePath.slice(1).split('/').map(decodeURIComponent),
  );
  const findings: Finding[] = [];
  for (const schema of schemas.length === 0 ? [suggested] : schemas) {
    const shape = await target.introspect(schema, signal);
    if (shape !== null) {
      findings.push(...ofShape(shape, values));
    }
  }
  return findings;
}

function ofShape(shape: SchemaShape, values: StartValues): Finding[] {
  const refusals = [...shape.tables.values()].flatMap((table) =>
    refusalOf(() => requireWritableKey(table)),
  );
  return [
    // Only the tables of the feed count, and nobody knows them here.
    ...listedFindings(
      refusals,
      (refusal) => ({ ...findingOf(refusal), level: 'warn' }),
      'tables',
    ),
    ...refusalOf(() =>
      refuseForeignKeys(
        {
          mode: values.immediate ? 'immediate' : 'consistent',
          immediateForeignKeys: values.immediateForeignKeys,
        },
        shape,
      ),
    ).map(findingOf),
  ];
}

function refusalOf(check: () => void): ReplicatorError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof ReplicatorError)) {
      throw error;
    }
    return [error];
  }
}

function findingOf({ code, message, remedy }: ReplicatorError): Finding {
  return {
    level: 'error',
    subject: 'target',
    text: `${code} ${message}`,
    remedy,
  };
}
