/**
 * A source server with a backlog, and as many slots at its beginning as there
 * are readers: each reads the same WAL. One backlog at a time, for what lies in
 * the WAL costs the readers of other databases too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type PostgresServer,
  startPostgresServer,
} from '../../test/support/postgres-server.ts';
import type { BenchEnvironment } from '../environment.ts';
import { openPool } from '../pool.ts';
import {
  BACKLOG_LANES,
  type BacklogKind,
  END_TABLE,
  PUBLICATION,
} from './backlogs.ts';
import { type BenchSlot, copySlot, createSlot } from './slots.ts';

const ORIGIN_SLOT = 'bench_origin';
const WAIT_TIMEOUT_MS = 300_000;

export interface Backlog {
  readonly sourceUrl: string;
  /** Row changes, without that of the end. */
  readonly changes: number;
  /** Behind the last change, before the transaction that marks the end. */
  readonly endLsn: string;
  /** A slot of one's own at the beginning; dropped when disposed. */
  openSlot(): Promise<BenchSlot>;
  /** A database with what the source had at the beginning. */
  openTarget(): Promise<BacklogTarget>;
}

export interface BacklogTarget extends AsyncDisposable {
  readonly url: string;
  readonly database: string;
  /** Resolves when the last transaction is visible. */
  untilEnd(signal: AbortSignal): Promise<void>;
  /** Throws unless every table equals the source's. */
  verify(): Promise<void>;
}

export interface SlotSource extends AsyncDisposable {
  readonly server: PostgresServer;
  /** Made when first asked for; one of another kind or size goes. */
  backlog(kind: BacklogKind, changes: number): Promise<Backlog>;
}

/** The run's source server, started when first asked for. */
export function slotSource(environment: BenchEnvironment): Promise<SlotSource> {
  return environment.shared('slot-source', () => openSlotSource(environment));
}

async function openSlotSource(
  environment: BenchEnvironment,
): Promise<SlotSource> {
  const server = await startPostgresServer({
    settings: {
      wal_level: 'logical',
      shared_buffers: '512MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '30min',
      // While a backlog is read, nobody but its reader is at work here.
      autovacuum: 'off',
    },
  });
  let key = '';
  let opened: Promise<Backlog> | undefined;
  return {
    server,
    async backlog(kind, changes) {
      const wanted = `${kind.name} ${changes}`;
      if (opened === undefined || wanted !== key) {
        const former = opened;
        key = wanted;
        opened = (async () => {
          if ((await former) !== undefined) await forgetBacklog(server);
          return await createBacklog({ environment, server, kind, changes });
        })();
      }
      return await opened;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const SOURCE_DATABASE = 'bench_source';
const TEMPLATE_DATABASE = 'bench_slot_template';
const TARGET_DATABASE = 'bench_slot_target';

async function forgetBacklog(server: PostgresServer): Promise<void> {
  await using admin = openPool(server.url(), 1);
  await admin.query(`select pg_drop_replication_slot('${ORIGIN_SLOT}')`);
  await admin.query(`drop database ${SOURCE_DATABASE} with (force)`);
  await admin.query('checkpoint');
}

async function createBacklog({
  environment,
  server,
  kind,
  changes,
}: {
  environment: BenchEnvironment;
  server: PostgresServer;
  kind: BacklogKind;
  changes: number;
}): Promise<Backlog> {
  const tables = [...kind.tables, END_TABLE];
  const createTables = `${kind.createTables};
    create table ${END_TABLE} (id int primary key)`;
  const template = await environment.freshDatabase(TEMPLATE_DATABASE);
  {
    // The template may have no session when it is copied.
    await using pool = openPool(template, 1);
    await pool.query(createTables);
    await pool.query('vacuum analyze');
  }
  await using admin = openPool(server.url(), 1);
  await admin.query(`create database ${SOURCE_DATABASE} template template0`);
  const sourceUrl = server.url(SOURCE_DATABASE);
  await using source = openPool(sourceUrl, BACKLOG_LANES);
  await source.query(createTables);
  await source.query(kind.createProcedure);
  await source.query(
    `create publication ${PUBLICATION} for table ${tables.join(', ')}`,
  );
  await source.query('vacuum analyze');
  await createSlot(source, ORIGIN_SLOT);

  const transactions = Math.ceil(
    changes / kind.changesPerTransaction / BACKLOG_LANES,
  );
  const startedAtMs = performance.now();
  await Promise.all(
    Array.from({ length: BACKLOG_LANES }, (_, lane) =>
      source.query(`call bench_lane(${lane}, ${transactions})`),
    ),
  );
  const { rows } = await source.query<{ lsn: string }>(
    'select pg_current_wal_insert_lsn()::text as lsn',
  );
  await source.query(
    `set synchronous_commit = on; insert into ${END_TABLE} values (1)`,
  );
  const seconds = (performance.now() - startedAtMs) / 1000;
  process.stderr.write(
    `backlog of ${kind.name}: ${transactions * BACKLOG_LANES} transactions in ${seconds.toFixed(1)} s\n`,
  );
  await source.query('checkpoint');
  const expected = await checksums(sourceUrl, tables);

  return {
    sourceUrl,
    changes: transactions * BACKLOG_LANES * kind.changesPerTransaction,
    endLsn: rows[0]!.lsn,
    openSlot: () => copySlot(sourceUrl, ORIGIN_SLOT),
    openTarget: () => openTarget({ environment, tables, expected }),
  };
}

async function openTarget({
  environment,
  tables,
  expected,
}: {
  environment: BenchEnvironment;
  tables: readonly string[];
  expected: readonly string[];
}): Promise<BacklogTarget> {
  {
    await using admin = openPool(environment.databaseUrl('postgres'), 1);
    await admin.query(
      `drop database if exists ${TARGET_DATABASE} with (force)`,
    );
    await admin.query(
      `create database ${TARGET_DATABASE} template ${TEMPLATE_DATABASE} strategy file_copy`,
    );
    await admin.query('checkpoint');
  }
  const url = environment.databaseUrl(TARGET_DATABASE);
  const pool = openPool(url, 1);
  return {
    url,
    database: TARGET_DATABASE,
    async untilEnd(signal) {
      const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
      const either = AbortSignal.any([signal, deadline]);
      for (;;) {
        either.throwIfAborted();
        const { rowCount } = await pool.query(`select from ${END_TABLE}`);
        if (rowCount === 1) return;
        await sleep(10);
      }
    },
    async verify() {
      const found = await checksums(url, tables);
      if (found.join() !== expected.join()) {
        throw new Error(
          `the target differs\nsource: ${expected.join(' ')}\ntarget: ${found.join(' ')}`,
        );
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

/** Count and checksum of all rows, in whatever order, table by table. */
async function checksums(
  url: string,
  tables: readonly string[],
): Promise<string[]> {
  await using pool = openPool(url, 1);
  const found: string[] = [];
  for (const table of tables) {
    const { rows } = await pool.query<{ sum: string }>(
      `select format('%s:%s:%s', '${table}', count(*),
         sum(hashtextextended(it::text, 0)::numeric)) as sum
       from ${table} it`,
    );
    found.push(rows[0]!.sum);
  }
  return found;
}
