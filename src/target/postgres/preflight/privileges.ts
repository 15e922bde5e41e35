/** What the account of a PostgreSQL target must be allowed; read from the catalog alone. */
import { lackingOf, type Privilege } from '../../../failure/privilege.ts';
import { postgresNameOnOneLine as quotedOnOneLine } from '../../../lib/one-line-name.ts';
import { schemaName, schemaNameParts } from '../../../mutation/schema-name.ts';
import {
  checkpointPurpose,
  deadLetterPurpose,
  effectivelyOnce,
  type GrantPlan,
  orPrepared,
  tablePurpose,
} from '../../privileges.ts';
import type { PostgresConnection } from '../session/driver.ts';
import {
  accountQuery,
  privilegedSchemasQuery,
  privilegedTablesQuery,
  sequencesQuery,
  typeSchemasQuery,
} from './privilege-queries.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

type Row = Readonly<Record<string, string | null>>;

const rowPrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** The row of a schema stays for ever. */
const checkpointPrivileges = ['SELECT', 'INSERT', 'UPDATE'];

export interface PostgresGrantPlan extends GrantPlan {
  /** Staging may live in the same database: no feed writes to this schema. */
  readonly stagingSchema: string | null;
}

export async function readPrivileges(
  connection: PostgresConnection,
  plan: PostgresGrantPlan,
): Promise<Privilege[]> {
  const ask = async (text: string, values?: string[]): Promise<Row[]> =>
    (await connection.query(text, values)).rows;
  const [account] = await ask(accountQuery);
  const grantee = quotedOnOneLine(plan.grantee || account!['account']!);
  const schemas = (
    await ask(privilegedSchemasQuery, [
      JSON.stringify(plan.schemas.map((name) => schemaNameParts(name).at(-1))),
      plan.dlqTableName,
    ])
  ).filter(
    ({ database, schema }) => `${database}.${schema}` !== plan.stagingSchema,
  );
  const names = JSON.stringify(schemas.map(({ schema }) => schema));
  const tables = await ask(privilegedTablesQuery, [names]);
  const own = [checkpointTable, plan.dlqTableName];
  return [
    connectPrivilege(account!, grantee),
    ...schemas.map((row) => usagePrivilege(row, grantee)),
    ...tables
      .filter(({ name }) => !own.includes(name!))
      .map((row) =>
        tablePrivilege(row, {
          grantee,
          privileges: plan.takesTruncate
            ? [...rowPrivileges, 'TRUNCATE']
            : rowPrivileges,
          why: tablePurpose,
          level: 'warn',
        }),
      ),
    ...(await ask(sequencesQuery, [names])).map((row) =>
      sequencePrivilege(row, grantee),
    ),
    ...(await ask(typeSchemasQuery, [names])).map((row) =>
      typePrivilege(row, grantee),
    ),
    ...schemas.flatMap((row) =>
      ownTablePrivileges(
        row,
        tables.filter(({ schema }) => schema === row['schema']),
        { plan, grantee },
      ),
    ),
  ];
}

function connectPrivilege(account: Row, grantee: string): Privilege {
  return {
    statement: connectStatement(account['database']!, grantee),
    why: 'sessions',
    isHeld: account['may_connect'] === 't',
    level: 'error',
    lack: `the account may not connect to the database ${account['database']}`,
    kind: 'databases',
  };
}

export function connectStatement(database: string, grantee: string): string {
  return `GRANT CONNECT ON DATABASE ${quotedOnOneLine(database)} TO ${grantee};`;
}

function usagePrivilege(row: Row, grantee: string): Privilege {
  return {
    statement: `GRANT USAGE ON SCHEMA ${quotedOnOneLine(row['schema']!)} TO ${grantee};`,
    why: 'what is in it can be named',
    isHeld: row['may_use'] === 't',
    level: 'warn',
    lack: `the account may not use the schema ${schemaName([row['schema']!])}`,
    kind: 'schemas',
  };
}

function tablePrivilege(
  row: Row,
  {
    grantee,
    privileges,
    why,
    level,
  }: Pick<Privilege, 'why' | 'level'> & {
    readonly grantee: string;
    readonly privileges: readonly string[];
  },
): Privilege {
  const lacking = lackingOf(
    privileges,
    (name) => row[`may_${name.toLowerCase()}`] === 't',
  );
  const table = schemaName([row['schema']!, row['name']!]);
  return {
    statement: `GRANT ${privileges.join(', ')} ON TABLE ${quotedTable(row)} TO ${grantee};`,
    why,
    isHeld: lacking === '',
    level,
    lack:
      lacking === 'TRUNCATE'
        ? `the account lacks TRUNCATE on ${table}: what the source empties at once is deleted row by row`
        : `the account lacks ${lacking} on ${table}`,
    kind: 'tables',
  };
}

function sequencePrivilege(row: Row, grantee: string): Privilege {
  return {
    statement: `GRANT USAGE ON SEQUENCE ${quotedTable(row)} TO ${grantee};`,
    why: 'the default of a column, where the source does not carry it',
    isHeld: row['may_use'] === 't',
    level: 'warn',
    lack: `the account may not use the sequence ${schemaName([row['schema']!, row['name']!])}, from which a column takes its default`,
    kind: 'sequences',
  };
}

function typePrivilege(row: Row, grantee: string): Privilege {
  return {
    ...usagePrivilege(row, grantee),
    why: 'types of columns are in it',
    lack: `the account may not use the schema ${schemaName([row['schema']!])}, which has types of columns`,
  };
}

/** The tables of ours: on those that are there, else the right to make them. */
function ownTablePrivileges(
  schema: Row,
  tables: readonly Row[],
  { plan, grantee }: { readonly plan: GrantPlan; readonly grantee: string },
): Privilege[] {
  const checkpoint = tables.find(({ name }) => name === checkpointTable);
  const letters = tables.find(({ name }) => name === plan.dlqTableName);
  const privileges: Privilege[] = [];
  if (checkpoint) {
    privileges.push(
      tablePrivilege(checkpoint, {
        grantee,
        privileges: checkpointPrivileges,
        why: checkpointPurpose,
        level: 'error',
      }),
    );
  }
  if (letters) {
    privileges.push(
      tablePrivilege(letters, {
        grantee,
        privileges: rowPrivileges,
        why: deadLetterPurpose,
        level: 'error',
      }),
    );
  }
  const lacksLetters = !letters && plan.setsAside;
  if (!checkpoint || lacksLetters) {
    const missing = [
      ...(checkpoint ? [] : [checkpointTable]),
      ...(lacksLetters ? [plan.dlqTableName] : []),
    ].map((name) => schemaName([name]));
    const consequences = [
      ...(checkpoint ? [] : [effectivelyOnce]),
      ...(lacksLetters ? ['no row can be set aside (E4019)'] : []),
    ];
    privileges.push({
      statement: `GRANT CREATE ON SCHEMA ${quotedOnOneLine(schema['schema']!)} TO ${grantee};`,
      why: `the daemon makes tables of its own; ${orPrepared}`,
      isHeld: schema['may_create'] === 't',
      level: lacksLetters ? 'error' : 'warn',
      lack: `the account may not create ${missing.join(' and ')} in ${schemaPath(schema)}: ${consequences.join('; ')}`,
      kind: 'schemas',
    });
  }
  return privileges;
}

function schemaPath({ database, schema }: Row): string {
  return `/${encodeURIComponent(database!)}/${encodeURIComponent(schema!)}`;
}

function quotedTable({ schema, name }: Row): string {
  return `${quotedOnOneLine(schema!)}.${quotedOnOneLine(name!)}`;
}
