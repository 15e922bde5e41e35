/**
 * Whether a source can be replicated from, and what would be missing: one
 * finding each, with the SQL that mends it. Reads the catalog alone.
 *
 * What pg_hba.conf lets in cannot be seen from here. But a logical walsender
 * connects to a database as any session does, and is judged by the same line:
 * whoever has read this has passed it.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { Finding } from '../../../failure/finding.ts';
import { createPublicationStatement } from './slot-admin.ts';
import { slotFindings } from './slot-checks.ts';
import { readSlot, slotFailure } from './slot-state.ts';
import { publicationFindings } from './source-publication-checks.ts';
import { serverFaults, serverWarnings } from './source-server-checks.ts';
import type { SourceSession } from './source-session.ts';
import type { SourceNeeds } from './source-needs.ts';
import {
  readPublications,
  readServer,
  readTables,
  type ServerState,
} from './source-state.ts';
import { tableFindings } from './source-table-checks.ts';

/** Everything worth saying, whatever is wrong with it. */
export async function sourceFindings(
  session: SourceSession,
  needs: SourceNeeds,
): Promise<Finding[]> {
  const server = await readServer(session);
  const slot = await readSlot(session, needs.slotName);
  const faults = serverFaults(session, server, {
    origin: needs.origin,
    willCreateSlot: slot === null && needs.willCreateSlot,
  });
  return [
    {
      level: 'ok',
      subject: 'source',
      text: `${server.version} answers at ${session.display}`,
    },
    ...faults.map((fault): Finding => ({
      level: 'error',
      subject: 'source',
      ...fault,
    })),
    ...serverWarnings(session, server, needs),
    ...(await publishedFindings(session, server, needs)),
    ...(await attempted(() => slotFindings(session, slot, needs))),
  ];
}

/**
 * The same for a daemon that starts: the first thing that keeps it from
 * reading the slot, as E6002, E6003, E6004 or E6007. A slot and publications
 * that are to be made are taken for made.
 */
export async function requireSource(
  session: SourceSession,
  needs: Pick<
    SourceNeeds,
    | 'slotName'
    | 'publicationNames'
    | 'willCreateSlot'
    | 'willCreatePublication'
    | 'origin'
    | 'schemas'
  >,
): Promise<void> {
  const slot = await readSlot(session, needs.slotName);
  const willCreateSlot = slot === null && needs.willCreateSlot;
  const [fault] = serverFaults(session, await readServer(session), {
    origin: needs.origin,
    willCreateSlot,
  });
  if (fault !== undefined) {
    throw new ReplicatorError('E6007', {
      detail: fault.text,
      remedy: fault.remedy,
    });
  }
  await requireSchemas(session, needs.schemas);
  const found = await readPublications(session, needs.publicationNames);
  const [missing] = missingNames(needs.publicationNames, found);
  if (missing !== undefined && !needs.willCreatePublication) {
    throw missingPublication(missing);
  }
  const failure = willCreateSlot
    ? null
    : slotFailure(needs.slotName, slot, session.database);
  if (failure !== null) {
    throw failure;
  }
}

/** A name that is misspelled would leave all changes out, for good. */
async function requireSchemas(
  session: SourceSession,
  schemas: readonly string[],
): Promise<void> {
  const [absent] = await session.query<{ name: string }>(
    `select name from unnest($1::text[]) as wanted (name)
     where not exists (select from pg_namespace where nspname = name)`,
    [schemas],
  );
  if (absent !== undefined) {
    throw new ReplicatorError('E6007', {
      detail: `the source ${session.display} has no schema ${JSON.stringify(absent.name)}`,
      remedy: 'correct --sourceSchema or --schemaMap, or create the schema',
    });
  }
}

async function publishedFindings(
  session: SourceSession,
  server: ServerState,
  needs: SourceNeeds,
): Promise<Finding[]> {
  const { publicationNames, schemas, willCreatePublication } = needs;
  const publications = await readPublications(session, publicationNames);
  const tables = await readTables(session, needs);
  const missing = missingNames(publicationNames, publications);
  const willPublish = willCreatePublication && missing.length > 0;
  const absent: Finding[] = [];
  for (const name of missing) {
    absent.push(...(await absentFindings(session, server, { name, needs })));
  }
  return [
    ...absent,
    ...publicationFindings(publications, tables, schemas),
    ...tableFindings(
      publications,
      tables.filter(
        ({ schema, publications: names }) =>
          names.length > 0 || schemas.includes(schema),
      ),
      willPublish,
    ),
  ];
}

function missingNames(
  names: readonly string[],
  found: readonly { readonly name: string }[],
): string[] {
  return names.filter((name) => !found.some((each) => each.name === name));
}

function missingPublication(name: string, remedy?: string): ReplicatorError {
  return new ReplicatorError('E6002', {
    detail: `the source has no publication "${name}"`,
    remedy:
      remedy ??
      'correct --publicationName, create the publication, or start with --createPublication',
  });
}

async function absentFindings(
  session: SourceSession,
  server: ServerState,
  { name, needs }: { readonly name: string; readonly needs: SourceNeeds },
): Promise<Finding[]> {
  return attempted(async () => {
    const statement = await createPublicationStatement(session, {
      name,
      schemas: needs.schemas,
    });
    if (!needs.willCreatePublication) {
      throw missingPublication(
        name,
        `${statement}, when every table in it has a primary key or a replica identity; or start with --createPublication`,
      );
    }
    return server.mayPublish
      ? [
          {
            level: 'ok',
            subject: 'source',
            text: `there is no publication ${name} yet: start makes it (${statement})`,
          },
        ]
      : [
          {
            level: 'error',
            subject: 'source',
            text: `the account ${server.account} may not create the publication ${name}`,
            remedy: `grant create on database "${session.database}" to "${server.account}", and make it the owner of the tables; or create it as another: ${statement}`,
          },
        ];
  });
}

/** A refusal is a finding too, and does not keep the others from being said. */
async function attempted(
  look: () => Finding[] | Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (
      !(error instanceof ReplicatorError) ||
      !['E6002', 'E6007'].includes(error.code)
    ) {
      throw error;
    }
    return [
      {
        level: 'error',
        subject: 'source',
        text: `${error.code} ${error.message}`,
        remedy: error.remedy,
      },
    ];
  }
}
