import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import {
  openOracleSession,
  type OracleSession,
  type TextRow,
} from './oracle-session.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Provided by oracle-setup.ts: the shared server of the run; empty: none. */
    readonly oracleUrl: string;
  }
}

export interface OracleTestSchema extends AsyncDisposable {
  readonly name: string;
  /** Of the schema's owner. */
  readonly url: string;
  /** One statement as the owner, committed; every value as text. */
  query(text: string): Promise<TextRow[]>;
  /** Another session of the owner. */
  session(): Promise<OracleSession>;
}

/** A fresh schema on the shared server, dropped when disposed. */
export async function testOracleSchema(): Promise<OracleTestSchema> {
  const serverUrl = inject('oracleUrl');
  const name = `TEST_${randomBytes(8).toString('hex').toUpperCase()}`;
  const password = `p${randomBytes(8).toString('hex')}`;
  await asAdministrator(serverUrl, async (administrator) => {
    await administrator.query(
      `create user ${name} identified by "${password}" quota unlimited on users default tablespace users`,
    );
    await administrator.query(
      `grant create session, create table, create trigger, create sequence, create procedure to ${name}`,
    );
  });
  const url = new URL(serverUrl);
  url.username = name;
  url.password = password;
  const session = await openOracleSession(url.href);
  return {
    name,
    url: url.href,
    query: (text) => session.query(text),
    session: () => openOracleSession(url.href),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await asAdministrator(serverUrl, async (administrator) => {
        await administrator.query(`drop user ${name} cascade`);
      });
    },
  };
}

async function asAdministrator(
  url: string,
  work: (session: OracleSession) => Promise<void>,
): Promise<void> {
  await using session = await openOracleSession(url);
  await work(session);
}
