/** What the account of a PostgreSQL source must be allowed, as `pglogical` reads it. */
import type { Privilege } from '../../../failure/privilege.ts';
import { postgresNameOnOneLine as quoted } from '../../../lib/one-line-name.ts';
import { createPublicationStatement } from './slot-admin.ts';
import type { SourceNeeds } from './source-needs.ts';
import type { SourceSession } from './source-session.ts';
import { readPublications, readServer } from './source-state.ts';

/** Reading a slot needs no right on the tables. What is missing, source-checks.ts finds. */
export async function sourcePrivileges(
  session: SourceSession,
  needs: SourceNeeds,
  givenGrantee: string,
): Promise<Privilege[]> {
  const server = await readServer(session);
  const grantee = quoted(givenGrantee || server.account);
  const found = await readPublications(session, needs.publicationNames);
  const missing = needs.publicationNames.filter(
    (name) => !found.some((each) => each.name === name),
  );
  const privileges: Privilege[] = [
    {
      statement: `GRANT CONNECT ON DATABASE ${quoted(session.database)} TO ${grantee};`,
      why: 'sessions',
      isHeld: true,
      level: 'error',
      lack: 'the account may not connect',
      kind: 'databases',
    },
    {
      statement: `alter role ${grantee} replication;`,
      why: `reads the slot, and with --createSlot makes it; on Amazon RDS: grant rds_replication to ${grantee}`,
      isHeld: server.mayReplicate,
      level: 'error',
      lack: 'the account may not read a slot',
      kind: 'roles',
    },
  ];
  for (const name of missing) {
    const statement = await createPublicationStatement(session, {
      name,
      schemas: needs.schemas,
    });
    privileges.push({
      statement: null,
      why: `the publication is not there; as the owner of the tables: ${statement};`,
      isHeld: server.mayPublish,
      level: 'error',
      lack: `there is no publication ${name}`,
      kind: 'publications',
    });
  }
  return privileges;
}
