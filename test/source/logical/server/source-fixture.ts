/** A source server of a test's own, and sessions of any account on it. */
import pg from 'pg';
import { parsePostgresAddress } from '../../../../src/config/address/postgres.ts';
import type { Finding } from '../../../../src/failure/finding.ts';
import type { SourceNeeds } from '../../../../src/source/logical/server/source-needs.ts';
import {
  openSourceSession,
  type SourceSession,
} from '../../../../src/source/logical/server/source-session.ts';
import {
  currentMajor,
  type PostgresMajor,
} from '../../../support/postgres-binaries.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../../../support/postgres-server.ts';

export interface TestSource extends AsyncDisposable {
  readonly server: PostgresServer;
  /** Runs statements as the superuser, in a session of its own. */
  run(sql: string, database?: string): Promise<void>;
  session(options?: {
    readonly user?: string;
    readonly database?: string;
    readonly signal?: AbortSignal;
  }): Promise<SourceSession>;
}

export async function startSource(
  settings: Readonly<Record<string, string | number>> = {},
  major: PostgresMajor = currentMajor,
): Promise<TestSource> {
  const server = await startPostgresServer({
    major,
    settings: { wal_level: 'logical', ...settings },
    fsync: false,
  });
  return {
    server,
    async run(sql, database) {
      const client = new pg.Client({ connectionString: server.url(database) });
      client.on('error', () => {});
      await client.connect();
      try {
        await client.query(sql);
      } finally {
        await client.end();
      }
    },
    session({ user, database, signal } = {}) {
      const url = new URL(server.url(database));
      if (user !== undefined) {
        url.username = user;
        url.password = 'secret';
      }
      return openSourceSession(
        parsePostgresAddress(url.href, '--sourceConn'),
        signal,
      );
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export const needs: SourceNeeds = {
  slotName: 'replicator',
  publicationNames: ['pub'],
  schemas: ['public'],
  willCreateSlot: false,
  willCreatePublication: false,
  slotFailover: false,
  standbyTimeoutMs: 5_000,
  origin: 'any',
};

/** As preflight prints them. */
export function lines(findings: readonly Finding[]): string[] {
  return findings.map(
    ({ level, text, remedy }) =>
      `${level} ${text}${remedy === undefined ? '' : `: ${remedy}`}`,
  );
}
