/** `replicator preflight`: would `start` with these options work? */
import { checkDatabases, checkStartOptions } from '../../config/check.ts';
import { parseValuePolicyRules } from '../../config/value-policy-rules.ts';
import { redactText } from '../../config/redact.ts';
import {
  preflightOptions,
  type OptionValues,
  type StartValues,
  valuesOf,
} from '../../config/options.ts';
import { isAbort, ReplicatorError } from '../../failure/failure.ts';
import { privilegeFindings } from '../../failure/privilege.ts';
import type { PreflightOptions } from '../../target/open-target.ts';
import type { GrantPlan } from '../../target/privileges.ts';
import { count } from '../../lib/count.ts';
import { visibleText } from '../../lib/visible-text.ts';
import type { Command } from '../command.ts';
import type { Finding } from '../../failure/finding.ts';

export const preflightCommand: Command = {
  name: 'preflight',
  description:
    'Looks at the options and the certificates that they name, connects to the target and to staging, and prints one line per finding with its remedy. Nothing is written. Takes every option of start and of pglogical, so that the same command line can be tried out. With --publicationName it also looks at the PostgreSQL source in --sourceConn: what its settings allow, what is published, which tables cannot say which row has changed, and the state of the slot.\n\nWith --print-grants it prints, instead of findings, the statements that give the accounts exactly what they need, one a line, each with its reason; they may run again. What is missing of them preflight names by the same line.\n\nThe exit code is 0 when nothing stands in the way, 1 when something does.',
  options: preflightOptions,
  async run(invocation, { stdout, signal }) {
    const values = valuesOf(preflightOptions, invocation.values);
    checkDatabases(values);
    const { grantPlanOf } = await import('./print-grants.ts');
    const grants = grantPlanOf(values);
    if (values['print-grants']) {
      const { grantScript } = await import('./print-grants.ts');
      const options = targetPreflight(values, grants);
      stdout.write(redactText(await grantScript(values, options, signal)));
      return 0;
    }
    let failed = false;
    let warningCount = 0;
    const print = (finding: Finding): void => {
      failed ||= finding.level === 'error';
      warningCount += finding.level === 'warn' ? 1 : 0;
      stdout.write(findingLine(finding));
    };
    (await optionFindings(values)).forEach(print);
    const { slotSourceFindings } = await import('./preflight-source.ts');
    await guarded('source', print, () => slotSourceFindings(values, signal));
    const { targetFindings } = await import('../../target/open-target.ts');
    const { shapeFindings } = await import('./preflight-shape.ts');
    if (
      await guarded('target', print, () =>
        targetFindings(targetPreflight(values, grants), signal),
      )
    ) {
      await guarded('target', print, () =>
        shapeFindings(values, grants, signal),
      );
    }
    const { columnFindings } = await import('./preflight-columns.ts');
    await guarded('target', print, () => columnFindings(values, signal));
    const { stagingFindings } = await import('./preflight-staging.ts');
    let mayMake = true;
    const isReached = await guarded('staging', print, async () => {
      const lacking = await stagingPrivilegeFindings(values, signal);
      mayMake = lacking.length === 0;
      return lacking;
    });
    if (isReached) {
      await guarded('staging', print, () =>
        stagingFindings(values, mayMake, signal),
      );
    }
    stdout.write(
      failed
        ? 'preflight: something stands in the way; the lines marked error say what\n'
        : `preflight: nothing stands in the way${warningCount === 0 ? '' : `; ${count(warningCount, 'warning', 'warnings')} to read`}\n`,
    );
    return failed ? 1 : 0;
  },
};

function targetPreflight(
  values: StartValues,
  grants: GrantPlan,
): PreflightOptions {
  return {
    url: values.targetConn,
    applyTimeoutMs: values.applyTimeout,
    parallelism: values.parallelism,
    maxPoolSize: values.targetMaxPoolSize,
    stagingSchema: values.stagingConn === '' ? null : values.stagingSchema,
    oracleEmptyString: values.oracleEmptyString,
    grants,
  };
}

async function stagingPrivilegeFindings(
  values: OptionValues<typeof preflightOptions>,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (values.stagingConn === '') {
    return [];
  }
  const { stagingGrantOptions } = await import('./print-grants.ts');
  const { stagingPrivileges } =
    await import('../../staging/postgres/privileges.ts');
  return privilegeFindings(
    'staging',
    await stagingPrivileges(stagingGrantOptions(values), signal),
  );
}

function findingLine({ level, subject, text, remedy }: Finding): string {
  const line = `${level.padEnd(5)} ${subject.padEnd(7)} ${text}${remedy === undefined ? '' : `: ${remedy}`}`;
  return `${visibleText(redactText(line.replace(/\s*[\r\n]+\s*/g, ' ')))}\n`;
}

/** Whatever start, or pglogical, would refuse before it asks a database. */
async function optionFindings(
  values: OptionValues<typeof preflightOptions>,
): Promise<Finding[]> {
  try {
    parseValuePolicyRules(values.valuePolicy);
    if (values.publicationName !== '') {
      return [];
    }
    const warnings = checkStartOptions(values);
    const { listenerTls, listenerTlsWarnings, expiryWarnings } =
      await import('../daemon/listener-tls.ts');
    const tls = await listenerTls(values);
    if (tls !== null) {
      warnings.push(...(await listenerTlsWarnings(values, tls)));
      warnings.push(...expiryWarnings(tls, Date.now()));
    }
    return warnings.map((text) => ({
      level: 'warn',
      subject: 'options',
      text,
    }));
  } catch (error) {
    return [findingOf('options', error)];
  }
}

/** A failure to look is itself a finding, and false: the other half is looked at still. */
async function guarded(
  subject: Finding['subject'],
  print: (finding: Finding) => void,
  look: () => Promise<Finding[]>,
): Promise<boolean> {
  try {
    (await look()).forEach(print);
    return true;
  } catch (error) {
    if (isAbort(error)) {
      throw error;
    }
    print(findingOf(subject, error));
    return false;
  }
}

function findingOf(subject: Finding['subject'], error: unknown): Finding {
  if (!(error instanceof ReplicatorError)) {
    throw error;
  }
  return {
    level: 'error',
    // The source and the target are looked at together.
    subject: error.code.startsWith('E6') ? 'source' : subject,
    text: `${error.code} ${error.message}`,
    remedy: error.remedy,
  };
}
