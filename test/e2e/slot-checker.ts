/**
 * A source under load and a reader of the target. Whatever the clients write,
 * every state of the source has these properties, so a target that shows one
 * without them has shown a state that the source never had:
 *
 *     account   the sum of the balances never changes; versions only rise
 *     half_a,   written together: each row has its other half, equal
 *     half_b
 *     event     keyless, with equal rows; tally says how many there are
 *     mover     its keys move, its rows stay as many as they were
 */
import { type EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type SlotHouse,
  type SlotTarget,
  type TextRow,
} from '../support/slot-house.ts';
import { until } from './arena.ts';

const accountCount = 12;
const clientCount = 4;
const moverCount = 8;
const retryMs = 100;
const pollMs = 15;

export const checkerSetup = `
  create table account (id int primary key, balance bigint not null, version bigint not null);
  insert into account select id, 1000, 0 from generate_series(1, ${accountCount}) id;
  create table half_a (id bigint primary key, v bigint not null);
  create table half_b (id bigint primary key references half_a, v bigint not null, note text);
  create table event (client int, note text);
  alter table event replica identity full;
  create table tally (client int primary key, events bigint not null, version bigint not null);
  insert into tally select client, 0, 0 from generate_series(0, ${clientCount - 1}) client;
  create table mover (id bigint primary key, tag int not null);
  insert into mover select id, id from generate_series(1, ${moverCount}) id;`;

const lookAtTarget = `
  select (select sum(balance)::int8 from account) = ${accountCount * 1000} as ledger,
         not exists (select from half_a full join half_b using (id)
                     where half_a.v is distinct from half_b.v) as halves,
         (select sum(events) from tally) = (select count(*) from event) as events,
         (select count(*) = ${moverCount} and sum(tag) = ${(moverCount * (moverCount + 1)) / 2} from mover) as movers,
         (select json_object_agg(name, version) from (
            select 'account ' || id as name, version from account
            union all select 'tally ' || client, version from tally) versions) as versions`;

interface Look {
  readonly ledger: boolean;
  readonly halves: boolean;
  readonly events: boolean;
  readonly movers: boolean;
  readonly versions: Readonly<Record<string, number>>;
}

export interface SlotChecker extends AsyncDisposable {
  /** Transactions that the source has said to be committed. */
  readonly committedCount: number;
  readonly seed: number;
  /** Resolves when the source has committed so many more. */
  committed(more: number): Promise<void>;
  /** Resolves when the target has taken what the source has committed by now. */
  moved(): Promise<void>;
  /** Ends the writing, waits for the target and compares everything. */
  finish(): Promise<void>;
}

export interface SlotCheckerOptions {
  readonly house: SlotHouse;
  /** Between the transactions of a client, at most. */
  readonly pauseMs?: number;
}

export async function startSlotChecker({
  house,
  pauseMs = 25,
}: SlotCheckerOptions): Promise<SlotChecker> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const stop = new AbortController();
  const violations: string[] = [];
  let committedCount = 0;
  let lookCount = 0;
  let seen: Readonly<Record<string, number>> = {};

  const clients = Array.from({ length: clientCount }, (_, client) =>
    repeatedly(house.source.url, stop.signal, async (session) => {
      const random = randomFrom(seed + client * 7919 + committedCount);
      while (!stop.signal.aborted) {
        await transaction(session, client, random);
        committedCount += 1;
        await sleep(random() * pauseMs);
      }
    }),
  );
  const reader = repeatedly(house.target.url, stop.signal, async (session) => {
    await session.query(
      'set session characteristics as transaction isolation level repeatable read',
    );
    while (!stop.signal.aborted) {
      look((await session.query<Look>(lookAtTarget)).rows[0]!);
      await sleep(pollMs);
    }
  });

  function look({ versions, ...holds }: Look): void {
    lookCount += 1;
    for (const [name, isSo] of Object.entries(holds)) {
      if (!isSo) {
        violations.push(`${name} does not hold in look ${lookCount}`);
      }
    }
    for (const [name, version] of Object.entries(seen)) {
      if ((versions[name] ?? -1) < version) {
        violations.push(
          `${name} went back from ${version} to ${versions[name]} in look ${lookCount}`,
        );
      }
    }
    seen = versions;
  }

  async function end(): Promise<void> {
    stop.abort();
    await Promise.all([...clients, reader]);
  }

  return {
    seed,
    get committedCount() {
      return committedCount;
    },
    committed(more) {
      const goal = committedCount + more;
      return until(
        `the source has committed ${more} more transactions`,
        () => committedCount >= goal,
        120_000,
      );
    },
    async moved() {
      const [row] = await house.source.rows(
        'select sum(version)::int8 from tally',
      );
      await until(
        `the target has taken what the source has\n${house.daemon.logs().slice(-3000)}`,
        () => tallied(seen) >= Number(row![0]),
        120_000,
      );
    },
    async finish() {
      stop.abort();
      await Promise.all(clients);
      await house.settle().catch((error: unknown) => {
        throw new Error(
          `seed ${seed}, ${violations.length} violations: ${violations.slice(0, 5).join('; ')}`,
          { cause: error },
        );
      });
      await reader;
      expect(violations, `seed ${seed}`).toEqual([]);
      expect(lookCount).toBeGreaterThan(0);
      expect(committedCount).toBeGreaterThan(0);
    },
    [Symbol.asyncDispose]: end,
  };
}

function tallied(versions: Readonly<Record<string, number>>): number {
  return Object.entries(versions)
    .filter(([name]) => name.startsWith('tally'))
    .reduce((sum, [, version]) => sum + version, 0);
}

/** Begins anew with another session where one is lost. */
async function repeatedly(
  url: string,
  signal: AbortSignal,
  run: (session: pg.Client) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const session = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 10_000,
    });
    session.on('error', () => {});
    try {
      await session.connect();
      await run(session);
    } catch (error) {
      if (isMistake(error)) {
        throw error;
      }
      await sleep(retryMs);
    } finally {
      await session.end().catch(() => {});
    }
  }
}

/** An error of the test, and not of a server that goes. */
function isMistake(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(42|22|23)/.test(code);
}

/** One transaction of the source, small or larger, or one rolled back. */
async function transaction(
  session: pg.Client,
  client: number,
  random: () => number,
): Promise<void> {
  const pick = (count: number): number => Math.floor(random() * count);
  await session.query('begin');
  const partCount = 1 + pick(3);
  // In one order, so that clients wait for each other in none.
  const parts = [transfer, halves, events, move].filter(
    (_, index) => index === 2 || pick(4) < partCount,
  );
  for (const part of parts) {
    if (pick(6) === 0) {
      await session.query('savepoint part');
      await session.query(part(client, pick));
      await session.query('rollback to savepoint part');
    }
    await session.query(part(client, pick));
  }
  await session.query(pick(10) === 0 ? 'rollback' : 'commit');
}

type Pick = (count: number) => number;

function transfer(_client: number, pick: Pick): string {
  const ids = new Set(
    Array.from({ length: 2 + pick(3) }, () => 1 + pick(accountCount)),
  );
  const amounts = Array.from(ids, () => pick(100));
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  return [...ids]
    .toSorted((a, b) => a - b)
    .map(
      (id, index) =>
        `update account set version = version + 1, balance = balance + ${
          amounts[index]! - (index === 0 ? total : 0)
        } where id = ${id}`,
    )
    .join(';');
}

/** Each client has ids of its own. */
function halves(client: number, pick: Pick): string {
  const mine = `id % ${clientCount} = ${client}`;
  const count = pick(12) === 0 ? 400 : 1 + pick(5);
  const from = pick(2_000);
  const ids = `select id * ${clientCount} + ${client} as id from generate_series(${from}, ${from + count - 1}) id`;
  switch (pick(4)) {
    case 0:
      return `delete from half_b where ${mine} and id >= ${from} and id < ${from + count};
        delete from half_a where ${mine} and id >= ${from} and id < ${from + count}`;
    case 1:
      return `update half_a set v = v + 1 where ${mine} and id >= ${from} and id < ${from + count};
        update half_b set v = v + 1 where ${mine} and id >= ${from} and id < ${from + count}`;
    default:
      return `insert into half_a select id, 0 from (${ids}) ids on conflict (id) do update set v = 0;
        insert into half_b select id, 0, repeat('x', ${pick(200)}) from (${ids}) ids on conflict (id) do update set v = 0, note = excluded.note`;
  }
}

function events(client: number, pick: Pick): string {
  const count = pick(15) === 0 ? 300 : 1 + pick(4);
  const change =
    pick(3) === 0
      ? `delete from event where ctid = any (array(
           select ctid from event where client = ${client} limit ${count}))`
      : `insert into event select ${client}, 'note ' || n % 3 from generate_series(1, ${count}) n`;
  return `${change};
    update tally set version = version + 1,
      events = (select count(*) from event where client = ${client}) where client = ${client}`;
}

function move(client: number, pick: Pick): string {
  // Their keys keep their rest, so no two rows ever want the same.
  const tag = 1 + client * 2 + pick(2);
  return `update mover set id = id + ${moverCount} where tag = ${tag}`;
}

/** Mulberry32: small, seeded, good enough. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A target that a test may stop, kill and start again. */
export async function targetOn(server: PostgresServer): Promise<SlotTarget> {
  const session = await openSession(server.url());
  return {
    name: 'postgres',
    url: server.url(),
    schema: 'postgres.public',
    sql: session.sql,
    rows: session.rows,
    [Symbol.asyncDispose]: () => session.end(),
  };
}

/** The process of the source that serves the slot, once there is one. */
export async function readerOf(house: SlotHouse): Promise<number> {
  let pid = 0;
  await until('the slot is read', async () => {
    const [row] = await ofSlot(house, 'active_pid', 'true');
    pid = Number(row![0]);
    return pid > 0;
  });
  return pid;
}

/** A condition of pg_replication_slots. */
export async function slotHas(
  house: SlotHouse,
  condition: string,
): Promise<boolean> {
  const rows = await ofSlot(house, '1', condition);
  return rows.length === 1;
}

/** Where the WAL of the source ends. */
export async function sourceEnd(house: SlotHouse): Promise<string> {
  const [row] = await house.source.rows('select pg_current_wal_flush_lsn()');
  return row![0]!;
}

function ofSlot(
  { source, slotName }: SlotHouse,
  column: string,
  condition: string,
): Promise<TextRow[]> {
  return source.rows(
    `select ${column} from pg_replication_slots where slot_name = '${slotName}' and (${condition})`,
  );
}

/** A client that takes the slot once it is free, and confirms nothing. */
export async function readSlotElsewhere({
  source,
  slotName,
}: SlotHouse): Promise<AsyncDisposable> {
  for (;;) {
    const client = new pg.Client({
      connectionString: source.url,
      replication: 'database',
    } as pg.ClientConfig);
    client.on('error', () => {});
    await client.connect();
    const { connection } = client as unknown as {
      connection: EventEmitter & { stream: Socket };
    };
    const started = once(connection, 'replicationStart').then(() => true);
    const refused = client
      .query(
        `START_REPLICATION SLOT "${slotName}" LOGICAL 0/0 (proto_version '1', publication_names 'markers')`,
      )
      .then(
        () => false,
        () => false,
      );
    if (await Promise.race([started, refused])) {
      return {
        async [Symbol.asyncDispose]() {
          connection.stream.destroy();
        },
      };
    }
    await client.end();
    await sleep(pollMs);
  }
}
