/**
 * A source with a slot, a target, and the daemon between them as a child
 * process: what a test writes at the source must stand at the target.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import {
  freePort,
  type PostgresServer,
  type PostgresServerOptions,
  startPostgresServer,
} from './postgres-server.ts';
import { testDatabase } from './test-database.ts';
import { startUndertaker } from './undertaker.ts';

/** Only ends a hopeless wait. */
const caughtUpTimeoutMs = 90_000;
const pollMs = 15;

/** A row as the server prints it. */
export type TextRow = (string | null)[];

/** One session's worth of SQL, with text for every value. */
export interface SlotDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** Statements; several, separated by semicolons, are one transaction. */
  readonly sql: (text: string) => Promise<void>;
  readonly rows: (text: string) => Promise<TextRow[]>;
}

export interface SlotTarget extends SlotDatabase {
  /** As --targetSchema names it. */
  readonly schema: string;
}

/** A server whose databases can be sources; dispose it after them. */
export function startSlotServer({
  settings,
  ...options
}: PostgresServerOptions = {}): Promise<PostgresServer> {
  return startPostgresServer({
    fsync: false,
    ...options,
    settings: {
      wal_level: 'logical',
      max_replication_slots: 60,
      max_wal_senders: 60,
      max_prepared_transactions: 20,
      ...settings,
    },
  });
}

export interface SlotHouseOptions {
  readonly server: PostgresServer;
  /** Without it, a database of the shared server; disposed by the house. */
  readonly target?: SlotTarget;
  /** Run at the source and at the target, before the slot is made. */
  readonly setup?: string;
  /** Only at the source, behind `setup`. */
  readonly sourceSetup?: string;
  readonly targetSetup?: string;
  /** Behind CREATE PUBLICATION changes; null makes none. */
  readonly publication?: string | null;
  /** Of the source, mapped to the target's schema. */
  readonly sourceSchema?: string;
  /** Beside those that name source, target, slot and publications. */
  readonly args?:
    | readonly string[]
    | ((target: SlotTarget) => readonly string[]);
  /** From their addresses to what the daemon dials: a proxy's perhaps. */
  readonly dial?: {
    readonly source?: (url: string) => string;
    readonly target?: (url: string) => string;
  };
  readonly waitFor?: DaemonOptions['waitFor'];
}

export interface SlotHouse extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly source: SlotDatabase;
  readonly target: SlotTarget;
  readonly slotName: string;
  readonly dataDir: string;
  /** The one that runs; its dataDir and port outlive it. */
  readonly daemon: Daemon;
  /** Starts a daemon where the one before has ended. */
  start(changes?: {
    readonly args?: readonly string[];
    readonly waitFor?: DaemonOptions['waitFor'];
  }): Promise<Daemon>;
  /** kill -9, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits; the exit code. */
  stop(): Promise<number | null>;
  /** Resolves when all that is committed at the source stands at the target. */
  caughtUp(): Promise<void>;
  /** What /_/healthz says, once it says something of that kind. */
  complaint(about: RegExp): Promise<string>;
  /**
   * Every table of the source's schema equals the target's of that name:
   * every value's text, and rows as often as they stand there.
   */
  expectEqual(tables?: readonly string[], when?: string): Promise<void>;
  /** `caughtUp`, then `expectEqual`. */
  settle(tables?: readonly string[]): Promise<void>;
}

/** Table of the rows that prove how far the target is. */
const marker = 'replicator_test_marker';

/** Makes all of it, with the slot, and starts the daemon. */
export async function slotHouse(options: SlotHouseOptions): Promise<SlotHouse> {
  const { server, sourceSchema = 'public' } = options;
  const stack = new AsyncDisposableStack();
  const name = `source_${randomBytes(6).toString('hex')}`;
  const source = stack.use(await createSource(server, name));
  const target = stack.use(options.target ?? (await postgresTarget()));
  const dataDir = await mkdtemp(join(tmpdir(), 'slot-house-'));
  stack.use(startUndertaker('rm -rf "$1"', [dataDir]));
  const metricsPort = await freePort();
  let daemon: Daemon | null = null;
  let markerCount = 0;
  let publications = 'markers';

  const args =
    typeof options.args === 'function'
      ? options.args(target)
      : (options.args ?? []);

  const house: SlotHouse = {
    server,
    source,
    target,
    slotName: name,
    dataDir,
    get daemon() {
      return daemon!;
    },
    async start(changes = {}) {
      await daemon?.[Symbol.asyncDispose]();
      daemon = await startDaemon({
        command: 'pglogical',
        args: [
          `--sourceConn=${options.dial?.source?.(source.url) ?? source.url}`,
          `--targetConn=${options.dial?.target?.(target.url) ?? target.url}`,
          `--targetSchema=${target.schema}`,
          `--sourceSchema=${sourceSchema}`,
          `--slotName=${name}`,
          `--publicationName=${publications}`,
          '--quiescentPeriod=200ms',
          '--schemaRefresh=1s',
          ...(changes.args ?? args),
        ],
        dataDir,
        metricsPort,
        waitFor: changes.waitFor ?? options.waitFor ?? 'healthy',
      });
      return daemon;
    },
    async kill() {
      daemon?.kill('SIGKILL');
      await daemon?.exited;
    },
    async stop() {
      daemon?.kill('SIGTERM');
      return (await daemon?.exited) ?? null;
    },
    async caughtUp() {
      markerCount += 1;
      await source.sql(
        `insert into ${sourceSchema}.${marker} values (${markerCount})`,
      );
      await until(
        `the target has marker ${markerCount}`,
        async () =>
          (
            await target.rows(
              `select id from ${marker} where id = ${markerCount}`,
            )
          ).length === 1,
      );
    },
    async complaint(about) {
      let said = '';
      await until(`/_/healthz says ${about}`, async () => {
        said = await health(house.daemon);
        return about.test(said);
      });
      return said;
    },
    async expectEqual(tables, when = '') {
      const names = tables ?? (await tablesOf(source, sourceSchema));
      for (const table of names) {
        const columns = await columnsOf(source, sourceSchema, table);
        const list = columns.map((column) => `${column}::text`).join();
        const [there, here] = await Promise.all([
          source.rows(`select ${list} from ${sourceSchema}.${quoted(table)}`),
          target.rows(`select ${list} from ${quoted(table)}`),
        ]);
        expect(inOrder(here), `${table} ${when}`).toEqual(inOrder(there));
      }
    },
    async settle(tables) {
      await house.caughtUp();
      await house.expectEqual(tables);
    },
    async [Symbol.asyncDispose]() {
      await daemon?.[Symbol.asyncDispose]();
      await stack.disposeAsync();
    },
  };

  async function until(
    what: string,
    isSo: () => Promise<boolean>,
  ): Promise<void> {
    let endsAtMs = performance.now() + caughtUpTimeoutMs;
    let seen = '';
    while (!(await isSo().catch(() => false))) {
      const said = rowCountsIn(daemon?.logs() ?? '');
      if (said !== seen) {
        seen = said;
        endsAtMs = performance.now() + caughtUpTimeoutMs;
      }
      if (
        performance.now() > endsAtMs ||
        (daemon !== null && (await hasEnded(daemon)))
      ) {
        const state = daemon && (await health(daemon));
        throw new Error(
          `waited in vain until ${what}\n${state}\n${daemon?.logs().slice(-6000)}`,
        );
      }
      await sleep(pollMs);
    }
  }

  try {
    const table = `create table ${marker} (id int primary key)`;
    await target.sql(table);
    await source.sql(`create schema if not exists ${sourceSchema};
      set search_path to ${sourceSchema}; ${table}`);
    if (options.setup !== undefined) {
      await source.sql(options.setup);
      await target.sql(options.setup);
    }
    if (options.sourceSetup !== undefined) {
      await source.sql(options.sourceSetup);
    }
    if (options.targetSetup !== undefined) {
      await target.sql(options.targetSetup);
    }
    await source.sql(
      `create publication markers for table ${sourceSchema}.${marker}`,
    );
    const { publication = 'for all tables' } = options;
    if (publication !== null) {
      publications = 'changes,markers';
      await source.sql(`create publication changes ${publication}`);
    }
    await source.rows(
      `select pg_create_logical_replication_slot('${name}', 'pgoutput')`,
    );
    await house.start();
    return house;
  } catch (error) {
    await house[Symbol.asyncDispose]();
    throw error;
  }
}

/** A fresh database of the shared server as a target. */
export async function postgresTarget(): Promise<SlotTarget> {
  const database = await testDatabase();
  const session = await openSession(database.url);
  return {
    name: database.name,
    url: database.url,
    schema: `${database.name}.public`,
    sql: session.sql,
    rows: session.rows,
    async [Symbol.asyncDispose]() {
      await session.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function createSource(
  server: PostgresServer,
  name: string,
): Promise<SlotDatabase> {
  const admin = await openSession(server.url());
  const [row] = await admin.rows('show server_version_num');
  // Of the two ways the quicker one, and the one that writes less WAL.
  const strategy = Number(row![0]) >= 15_00_00 ? 'strategy file_copy' : '';
  await admin.sql(`create database ${name} template template0 ${strategy}`);
  await admin.end();
  const url = server.url(name);
  const session = await openSession(url);
  return {
    name,
    url,
    sql: session.sql,
    rows: session.rows,
    async [Symbol.asyncDispose]() {
      await session.end();
      if (server.pid === undefined) {
        return;
      }
      const last = await openSession(server.url());
      try {
        await dropSlot(last, name);
        for (const statement of [
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
          `drop database if exists ${name}`,
        ]) {
          await last.sql(statement);
        }
      } finally {
        await last.end();
      }
    },
  };
}

/** Its walsender may need a moment to notice that the daemon is gone. */
async function dropSlot(session: Session, name: string): Promise<void> {
  for (;;) {
    try {
      await session.sql(
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '${name}'`,
      );
      return;
    } catch (error) {
      if (!/is active/.test(String(error))) {
        throw error;
      }
      await sleep(pollMs);
    }
  }
}

/** Opens a session of its own, for what one session cannot do. */
export interface Session {
  readonly sql: (text: string) => Promise<void>;
  readonly rows: (text: string) => Promise<TextRow[]>;
  end(): Promise<void>;
}

/** Dials again when the server was away. */
export async function openSession(url: string): Promise<Session> {
  let client: pg.Client | null = null;
  const connected = async (): Promise<pg.Client> => {
    if (client === null) {
      const fresh = new pg.Client({ connectionString: url });
      fresh.on('error', () => {
        client = null;
      });
      fresh.on('end', () => {
        client = null;
      });
      await fresh.connect();
      client = fresh;
    }
    return client;
  };
  await connected();
  return {
    async sql(text) {
      await (await connected()).query(text);
    },
    async rows(text) {
      const { rows } = await (
        await connected()
      ).query<TextRow>({
        text,
        rowMode: 'array',
        types: { getTypeParser: () => String },
      });
      return rows;
    },
    async end() {
      await client?.end().catch(() => {});
    },
  };
}

async function tablesOf(
  database: SlotDatabase,
  schema: string,
): Promise<string[]> {
  const rows = await database.rows(
    `select relname from pg_class where relnamespace = '${schema}'::regnamespace
       and relkind in ('r', 'p') order by relname`,
  );
  return rows.map(([name]) => name!);
}

async function columnsOf(
  database: SlotDatabase,
  schema: string,
  table: string,
): Promise<string[]> {
  const rows = await database.rows(
    `select quote_ident(attname) from pg_attribute
     where attrelid = '${schema}.${quoted(table)}'::regclass
       and attnum > 0 and not attisdropped order by attnum`,
  );
  return rows.map(([name]) => name!);
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Long values as their beginning and a hash, so that a failure can be read. */
function inOrder(rows: readonly TextRow[]): string[] {
  return rows
    .map((row) =>
      JSON.stringify(
        row.map((value) =>
          value !== null && value.length > 200
            ? `${value.slice(0, 40)}… ${value.length} ${createHash('md5').update(value).digest('hex')}`
            : value,
        ),
      ),
    )
    .toSorted();
}

async function health({ metricsUrl }: Daemon): Promise<string> {
  try {
    const answer = await fetch(`${metricsUrl}/_/healthz`, {
      signal: AbortSignal.timeout(10_000),
    });
    return await answer.text();
  } catch (error) {
    return String(error);
  }
}

async function hasEnded({ exited }: Daemon): Promise<boolean> {
  return (
    (await Promise.race([exited, Promise.resolve(undefined)])) !== undefined
  );
}

/** The last counts that the log names: they move while a giant is written. */
function rowCountsIn(log: string): string {
  const counts = log
    .slice(-4_000)
    .match(/\b(?:rows|stagedRows|appliedRows)=\d+/g);
  return (counts ?? []).slice(-4).join(' ');
}
