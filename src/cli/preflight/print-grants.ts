/** `replicator preflight --print-grants`: the script that gives the accounts what they need. */
import { parsePostgresAddress } from '../../config/address/postgres.ts';
import type { OptionValues, preflightOptions } from '../../config/options.ts';
import { parseSchemaMap } from '../../config/schema-map.ts';
import { grantLine, type Privilege } from '../../failure/privilege.ts';
import { sourcePrivileges } from '../../source/logical/server/source-privileges.ts';
import { openSourceSession } from '../../source/logical/server/source-session.ts';
import { stagingPrivileges } from '../../staging/postgres/privileges.ts';
import {
  type PreflightOptions,
  targetPrivileges,
} from '../../target/open-target.ts';
import type { GrantPlan } from '../../target/privileges.ts';
import { typedSchema } from '../typed-words.ts';
import { sourceNeeds } from './preflight-source.ts';

type Values = OptionValues<typeof preflightOptions>;

export function grantPlanOf(values: Values): GrantPlan {
  const schemas = [
    values.targetSchema,
    ...parseSchemaMap(values.schemaMap).map(({ target }) => target),
  ].map(typedSchema);
  return {
    schemas: [...new Set(schemas.filter((name) => name !== undefined))],
    grantee: values.grantee,
    dlqTableName: values.dlqTableName,
    setsAside: values.onRowError === 'deadLetter',
    takesTruncate: values.publicationName !== '',
  };
}

/** Sections in the order in which rows pass; each is a script of its own. */
export async function grantScript(
  values: Values,
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<string> {
  const sections: string[] = [];
  // Without it the target's part alone is asked for, TRUNCATE and all.
  if (values.publicationName !== '' && values.sourceConn !== '') {
    const address = parsePostgresAddress(values.sourceConn, '--sourceConn');
    await using session = await openSourceSession(address, signal);
    sections.push(
      section(
        `source ${address.display}`,
        await sourcePrivileges(session, sourceNeeds(values), values.grantee),
      ),
    );
  }
  if (values.stagingConn !== '') {
    const { display } = parsePostgresAddress(
      values.stagingConn,
      '--stagingConn',
    );
    sections.push(
      section(
        `staging ${display}, in the database of --stagingSchema`,
        await stagingPrivileges(stagingGrantOptions(values), signal),
      ),
    );
  }
  sections.push(section('target', await targetPrivileges(options, signal)));
  return sections.join('\n');
}

export function stagingGrantOptions(values: Values) {
  return {
    stagingConn: values.stagingConn,
    stagingSchema: values.stagingSchema,
    createSchema: values.stagingCreateSchema,
    grantee: values.grantee,
  };
}

function section(place: string, privileges: readonly Privilege[]): string {
  return `-- ${place}; by an account that may grant it\n${privileges.map(grantLine).join('\n')}\n`;
}
