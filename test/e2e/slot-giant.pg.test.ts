/** Transactions larger than memory, whole or streamed before they end. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peakMiB } from '../support/peak-memory.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';
import { soakKillCount, until } from './arena.ts';

/** REPLICATOR_GIANT_ROWS=10000000 for a soak. */
const rowCount = Number(
  process.env['REPLICATOR_GIANT_ROWS'] ??
    (soakKillCount > 0 ? 3_000_000 : 150_000),
);
/** All rows together are several times what the daemon may take. */
const rowText = `repeat(md5(id::text), 50)`;
const memoryLimitMiB = 64;
/**
 * Measured: 220. A bare daemon has about 120, and the bytes of all rows, held
 * as they come, would be 229 more.
 */
const mostMemoryMiB = 340;
const args = [`--memoryLimit=${memoryLimitMiB}MiB`];
const timeoutMs = 300_000 + rowCount / 5;

const setup = `
  create table big (id int primary key, v text);
  create table small (id int primary key, v text);`;

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer({ settings: { max_wal_size: '4GB' } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Looks again and again, in one snapshot each, until it is disposed. */
function watch(
  url: string,
  question: string,
): AsyncDisposable & { readonly seen: Set<string> } {
  const seen = new Set<string>();
  const stop = new AbortController();
  const ended = (async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while (!stop.signal.aborted) {
      const { rows } = await client.query<{ answer: string }>(
        `select (${question})::text as answer`,
      );
      seen.add(rows[0]!.answer);
      await sleep(20);
    }
    await client.end();
  })();
  return {
    seen,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

async function metric(house: SlotHouse, name: string): Promise<number> {
  const answer = await fetch(`${house.daemon.metricsUrl}/_/varz`);
  const line = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm');
  return Number(line.exec(await answer.text())?.[1] ?? Number.NaN);
}

test(
  'a transaction several times the memory limit arrives whole and within bounded memory',
  { timeout: timeoutMs },
  async () => {
    await using house = await slotHouse({
      server,
      setup,
      args,
    });
    await using reader = watch(house.target.url, 'select count(*) from big');
    await house.source.sql(
      `insert into big select id, ${rowText} from generate_series(1, ${rowCount}) id`,
    );
    await until(
      'the giant is there',
      () => reader.seen.has(String(rowCount)),
      timeoutMs,
    );
    expect([...reader.seen]).toEqual(['0', String(rowCount)]);
    expect(peakMiB(house.daemon.pid)).toBeLessThan(mostMemoryMiB);
    await expectSameBig(house);
  },
);

test(
  'a transaction that is streamed before it ends keeps nobody waiting, takes along no savepoint that was rolled back, and arrives whole',
  { timeout: timeoutMs },
  async () => {
    const half = Math.ceil(rowCount / 4);
    await using house = await streamingHouse();
    await house.source.sql(
      `insert into small select id, 'before' from generate_series(1, 100) id;
       insert into big select -id, 'old' from generate_series(1, 500) id`,
    );
    await house.caughtUp();
    await using reader = watch(
      house.target.url,
      `select (select count(*) from big where id > 0)::text || ' ' || (select min(v) || max(v) from small)`,
    );
    const giant = await openSession(house.source.url);
    const undone = await openSession(house.source.url);
    try {
      await giant.sql(`begin; ${rows(1, half)}`);
      await undone.sql(`begin; ${rows(10_000_000, 10_002_000)}`);
      await until(
        'the source streams both',
        async () => (await metric(house, 'replicator_slot_spool_bytes')) > 0,
      );
      // Others go on meanwhile, and are at the target before the giant.
      await house.source.sql('create table meanwhile (id int primary key)');
      await house.target.sql('create table meanwhile (id int primary key)');
      await house.source.sql('insert into meanwhile values (1)');
      await house.caughtUp();
      await giant.sql(`savepoint a; ${rows(20_000_000, 20_005_000)};
        savepoint b; ${rows(30_000_000, 30_005_000)};
        release savepoint b; rollback to savepoint a;
        savepoint c; delete from big where id between 1 and 1000;
        ${rows(1, 1_000, 'reinserted ')}; release savepoint c;
        truncate small; insert into small select id, 'inside' from generate_series(50, 150) id;
        update big set id = id - 1000 where id < 0;
        savepoint d; truncate small; rollback to savepoint d`);
      await undone.sql('rollback');
      await giant.sql(`${rows(half + 1, 2 * half)}; commit`);
      await house.caughtUp();
    } finally {
      await giant.end();
      await undone.end();
    }
    await until('the giant has been seen', () => reader.seen.size > 1);
    expect([...reader.seen]).toEqual([
      '0 beforebefore',
      `${2 * half} insideinside`,
    ]);
    await expectSameBig(house);
    await house.expectEqual(['small', 'meanwhile']);
    // Taken once a second.
    await expect
      .poll(() => metric(house, 'replicator_slot_spool_bytes'))
      .toBe(0);
    expect(peakMiB(house.daemon.pid)).toBeLessThan(mostMemoryMiB);
  },
);

test.for(['in one piece', 'streamed'] as const)(
  'a daemon that is killed or stopped again and again while a giant comes, %s, brings it whole and once',
  { timeout: timeoutMs },
  async (how) => {
    const count = Math.ceil(rowCount / 6);
    await using house =
      how === 'streamed'
        ? await streamingHouse()
        : await slotHouse({ server, setup, args });
    await using reader = watch(
      house.target.url,
      'select (select count(*) from big) || $$ $$ || (select count(*) from small)',
    );
    const giant = await openSession(house.source.url);
    await giant.sql(
      `begin; insert into small values (1, 'first'); ${rows(1, count)}`,
    );
    if (how === 'streamed') {
      await sleep(Math.random() * 300);
      await house.kill();
      await house.start();
    }
    await giant.sql(
      `delete from small; ${rows(count + 1, count + 10)}; commit`,
    );
    await giant.end();
    for (let kill = 0; kill < 4; kill += 1) {
      await sleep(Math.random() * 500);
      if (kill % 2 === 0) {
        await house.kill();
      } else {
        expect(await house.stop(), house.daemon.logs().slice(-3000)).toBe(0);
      }
      await house.start();
    }
    await house.caughtUp();
    await until('the giant has been seen', () => reader.seen.size > 1);
    expect([...reader.seen]).toEqual(['0 0', `${count + 10} 0`]);
    await expectSameBig(house);
  },
);

/** A statement that inserts rows of these ids. */
function rows(from: number, through: number, prefix = ''): string {
  return `insert into big select id, '${prefix}' || ${rowText} from generate_series(${from}, ${through}) id`;
}

/** The source of this house streams whatever is more than a few rows. */
async function streamingHouse(): Promise<SlotHouse> {
  const house = await slotHouse({ server, setup, args });
  await house.stop();
  await house.source.sql(
    `alter database ${house.source.name} set logical_decoding_work_mem = '64kB'`,
  );
  await house.start();
  return house;
}

async function expectSameBig(house: SlotHouse): Promise<void> {
  const digest = `select count(*), sum(hashtextextended(id || v, 0)) from big`;
  expect(await house.target.rows(digest)).toEqual(
    await house.source.rows(digest),
  );
}
