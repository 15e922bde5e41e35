/** Accounts that have what `preflight --print-grants` prints, and no more. */
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { inject } from 'vitest';
import type { Privilege } from '../../src/failure/privilege.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  targetPrivileges,
} from '../../src/target/open-target.ts';
import type { GrantPlan } from '../../src/target/privileges.ts';
import type { MysqlTestDatabase } from './mysql-test-database.ts';
import type { TestDatabase } from './test-database.ts';

export interface GrantedAccount extends AsyncDisposable {
  /** As `--grantee` names it. */
  readonly name: string;
  /** Of the database, as this account. */
  readonly url: string;
  /** What would be printed now. */
  privileges(more?: Partial<GrantPlan>): Promise<Privilege[]>;
  /** Runs it; again whenever tables have come. */
  grant(more?: Partial<GrantPlan>): Promise<void>;
}

export type GrantWishes = Partial<Omit<GrantPlan, 'grantee'>> & {
  readonly schemas: readonly SchemaName[];
};

const password = 'least-Privilege-1';

/** Dispose it behind the database. What PUBLIC may do in it is taken away. */
export async function postgresAccount(
  database: TestDatabase,
  wishes: GrantWishes,
): Promise<GrantedAccount> {
  const name = `app_${database.name}`;
  const serverUrl = inject('postgresUrl');
  await database.query(`create role ${name} login password '${password}'`);
  await database.query(`
    revoke all on database ${database.name} from public;
    revoke all on schema public from public`);
  return {
    ...granting(database.url, name, wishes, async (statements) => {
      await database.query(statements.join('\n'));
    }),
    url: urlAs(database.url, name),
    async [Symbol.asyncDispose]() {
      const client = new pg.Client({ connectionString: serverUrl });
      await client.connect();
      try {
        await client.query(`drop role if exists ${name}`);
      } finally {
        await client.end();
      }
    },
  };
}

export async function mysqlAccount(
  database: MysqlTestDatabase,
  wishes: GrantWishes,
): Promise<GrantedAccount> {
  const name = `a${database.name.slice(4)}`;
  const serverUrl = inject(
    database.product === 'mysql' ? 'mysqlUrl' : 'mariadbUrl',
  );
  await database.sql(`create user ${name}@'%' identified by '${password}'`);
  return {
    ...granting(database.url, name, wishes, async (statements) => {
      await database.sql(statements.join('\n'));
    }),
    url: urlAs(database.url, name),
    async [Symbol.asyncDispose]() {
      const client = await mysql.createConnection(serverUrl);
      try {
        await client.query(`drop user if exists ${name}@'%'`);
      } finally {
        await client.end();
      }
    },
  };
}

function granting(
  url: string,
  name: string,
  wishes: GrantWishes,
  run: (statements: string[]) => Promise<void>,
): Pick<GrantedAccount, 'name' | 'privileges' | 'grant'> {
  const privileges = (more: Partial<GrantPlan> = {}): Promise<Privilege[]> =>
    targetPrivileges(
      {
        url,
        applyTimeoutMs: 30_000,
        parallelism: 1,
        maxPoolSize: 1,
        stagingSchema: null,
        oracleEmptyString: defaultTargetOptions.oracleEmptyString,
        grants: {
          dlqTableName: defaultTargetOptions.dlqTableName,
          setsAside: true,
          takesTruncate: false,
          ...wishes,
          ...more,
          grantee: name,
        },
      },
      new AbortController().signal,
    );
  return {
    name,
    privileges,
    async grant(more = {}) {
      const statements = (await privileges(more)).flatMap(
        ({ statement }) => statement ?? [],
      );
      for (let attempt = 1; ; attempt += 1) {
        try {
          await run(statements);
          return;
        } catch (error) {
          // "tuple concurrently updated": somebody alters the table just now.
          if (attempt === 5) {
            throw error;
          }
          await sleep(50);
        }
      }
    },
  };
}

function urlAs(url: string, name: string): string {
  const as = new URL(url);
  as.username = name;
  as.password = password;
  return as.href;
}

/** Whether behind this there may be tables without grants. */
export function makesTables(sql: string): boolean {
  return /\b(create|rename|alter)\b/i.test(sql);
}
