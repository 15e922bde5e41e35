/** What must hold while nothing can be applied, or nothing happens. */
import { expect, test } from 'vitest';
import { startPostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';
import { until } from './arena.ts';
import {
  checkerSetup,
  readerOf,
  slotHas,
  sourceEnd,
  startSlotChecker,
  targetOn,
} from './slot-checker.ts';

const timeoutMs = 300_000;
/** The source takes a reader for dead that is silent for so long. */
const senderTimeoutMs = 3_000;

test(
  'while the target is down staging takes everything: the slot follows the source, and its connection lives',
  { timeout: timeoutMs },
  async () => {
    await using source = await startSlotServer({
      settings: { wal_sender_timeout: `${senderTimeoutMs}ms` },
    });
    await using server = await startPostgresServer({ fsync: false });
    await using house = await slotHouse({
      server: source,
      target: await targetOn(server),
      setup: checkerSetup,
      args: ['--standbyTimeout=250ms'],
    });
    const reader = await readerOf(house);
    await using checker = await startSlotChecker({ house });
    await checker.moved();
    await server.stop('fast');
    for (let round = 0; round < 3; round += 1) {
      await checker.committed(150);
      const end = await sourceEnd(house);
      await until('the slot has followed', () =>
        slotHas(house, `confirmed_flush_lsn >= '${end}'`),
      );
    }
    expect(await readerOf(house)).toBe(reader);
    // A daemon that starts while the target is down reads and stages too.
    await house.kill();
    await house.start({ waitFor: 'listening' });
    const later = await sourceEnd(house);
    await until('the slot has followed', () =>
      slotHas(house, `confirmed_flush_lsn >= '${later}'`),
    );
    await server.start();
    await checker.moved();
    await checker.finish();
  },
);

test(
  'while staging is full the stream waits, the source hears from its reader, and all goes on when there is room',
  { timeout: timeoutMs },
  async () => {
    await using source = await startSlotServer({
      settings: { wal_sender_timeout: `${senderTimeoutMs}ms` },
    });
    await using server = await startPostgresServer({ fsync: false });
    await using house = await slotHouse({
      server: source,
      target: await targetOn(server),
      setup: `${checkerSetup}
        create table filler (id int primary key, v text);`,
      args: [
        '--standbyTimeout=250ms',
        '--stagingMaxBytes=1MiB',
        '--retireOffset=0s',
      ],
    });
    const reader = await readerOf(house);
    await server.stop('fast');
    await fillUp(house);
    await using checker = await startSlotChecker({ house, pauseMs: 800 });
    // Several times as long as the source would wait for a dead reader.
    const since = Date.now();
    await until(
      'the source has waited',
      () => Date.now() - since > 4 * senderTimeoutMs,
    );
    expect(await readerOf(house)).toBe(reader);
    expect(source.logs()).not.toMatch(/replication timeout/);
    const end = await sourceEnd(house);
    expect(await slotHas(house, `confirmed_flush_lsn < '${end}'`)).toBe(true);
    await server.start();
    await checker.moved();
    await checker.finish();
    expect(await readerOf(house)).toBe(reader);
  },
);

test(
  'a source whose published tables are idle keeps no WAL for us, while other tables and databases write and a transaction stays open',
  { timeout: timeoutMs },
  async () => {
    await using source = await startSlotServer();
    await using house = await slotHouse({
      server: source,
      setup: 'create table quiet (id int primary key)',
      sourceSetup: 'create table noise (id int, v text)',
      publication: 'for table quiet',
      args: ['--standbyTimeout=250ms'],
    });
    const elsewhere = await openSession(source.url());
    const open = await openSession(house.source.url);
    try {
      await elsewhere.sql('create table noise (id int, v text)');
      await open.sql('begin; insert into quiet values (1)');
      for (let round = 0; round < 4; round += 1) {
        const session = round % 2 === 0 ? elsewhere : house.source;
        await session.sql(
          `insert into noise select n, repeat('x', 500) from generate_series(1, 2000) n`,
        );
        const end = await sourceEnd(house);
        await until('the slot has followed', () =>
          slotHas(house, `confirmed_flush_lsn >= '${end}'`),
        );
      }
      // What was open all the while has not been passed over.
      await open.sql('insert into quiet values (2); commit');
      await house.settle(['quiet']);
      expect(await house.target.rows('select id from quiet')).toHaveLength(2);
    } finally {
      await elsewhere.end();
      await open.end();
    }
  },
);

test(
  'the source ends a fast shutdown while its reader can stage nothing',
  { timeout: timeoutMs },
  async () => {
    await using source = await startSlotServer();
    await using staging = await startPostgresServer({ fsync: false });
    await using house = await slotHouse({
      server: source,
      setup: checkerSetup,
      args: [`--stagingConn=${staging.url()}`, '--stagingCreateSchema'],
    });
    await using checker = await startSlotChecker({ house });
    await checker.moved();
    await staging.stop('immediate');
    await checker.committed(20);
    // Rejects where the server has not ended after a minute.
    await source.stop('fast');
    await source.start();
    await staging.start();
    await checker.moved();
    await checker.finish();
  },
);

test(
  'the source ends a fast shutdown while its reader waits for room in staging',
  { timeout: timeoutMs },
  async () => {
    await using source = await startSlotServer();
    await using server = await startPostgresServer({ fsync: false });
    await using house = await slotHouse({
      server: source,
      target: await targetOn(server),
      setup: 'create table filler (id int primary key, v text);',
      args: ['--stagingMaxBytes=1MiB', '--retireOffset=0s'],
    });
    await readerOf(house);
    await server.stop('fast');
    await fillUp(house);
    // Rejects where the server has not ended after a minute.
    await source.stop('fast');
    await source.start();
    await server.start();
    await house.settle();
  },
);

/**
 * Until staging is full, and little more, for room is made every five seconds:
 * text that does not compress, about 100 kB each time. How much of it one step
 * takes, which may go beyond the limit, nobody knows.
 */
async function fillUp(house: SlotHouse): Promise<void> {
  let id = 0;
  await until(
    'the daemon says that staging is full',
    async () => {
      if (/E2002/.test(house.daemon.logs())) {
        return true;
      }
      await house.source.sql(
        `insert into filler select ${id}, string_agg(md5(n::text || ${id}), '') from generate_series(1, 3000) n`,
      );
      id += 1;
      return false;
    },
    120_000,
  );
}
