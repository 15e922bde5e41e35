/**
 * Where going on would pass over changes in silence the daemon ends, says why
 * and what to do, and mends nothing by itself.
 */
import { execFile } from 'node:child_process';
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { currentMajor } from '../support/postgres-binaries.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type SlotHouse,
  type SlotHouseOptions,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';
import { until } from './arena.ts';
import { readerOf, readSlotElsewhere, slotHas } from './slot-checker.ts';

const timeoutMs = 300_000;

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function openHouse(
  options: Partial<SlotHouseOptions> = {},
): Promise<SlotHouse> {
  const house = await slotHouse({
    server,
    setup: 'create table t (id int primary key, v text)',
    // Must not help: it is for the first start alone.
    args: ['--createSlot', '--createPublication'],
    ...options,
  });
  await house.source.sql("insert into t values (1, 'first')");
  await house.caughtUp();
  return house;
}

/** It ends, with 3 where no restart mends it; resolves to the last line that it says. */
async function lastLine(house: SlotHouse, exitCode = 3): Promise<string> {
  const { daemon } = house;
  expect(await daemon.exited, daemon.logs().slice(-3000)).toBe(exitCode);
  return daemon.logs().trimEnd().split('\n').at(-1)!;
}

/** Until its walsender has noticed too. */
async function stopReading(house: SlotHouse): Promise<void> {
  expect(await house.stop()).toBe(0);
  await until('nobody reads the slot', () => slotHas(house, 'not active'));
}

async function expectUntouched(house: SlotHouse): Promise<void> {
  expect(await house.target.rows('select id, v from t order by id')).toEqual([
    ['1', 'first'],
  ]);
}

/** In one statement, or the daemon would be back in between. */
function dropReadSlot(house: SlotHouse): Promise<void> {
  return house.source.sql(`do $$ begin loop
    begin
      perform pg_terminate_backend(active_pid) from pg_replication_slots
        where slot_name = '${house.slotName}' and active_pid is not null;
      perform pg_drop_replication_slot('${house.slotName}');
      return;
    exception when object_in_use then null;
    end;
  end loop; end $$`);
}

describe('a slot that is not what it was', { timeout: timeoutMs }, () => {
  test('dropped while the daemon is down', async () => {
    await using house = await openHouse();
    expect(await house.stop()).toBe(0);
    await dropReadSlot(house);
    await house.source.sql("insert into t values (2, 'passed over')");
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6002.*When a slot is lost/);
    expect(await slotHas(house, 'true')).toBe(false);
    await expectUntouched(house);
  });

  test('dropped while the daemon reads it', async () => {
    await using house = await openHouse();
    await dropReadSlot(house);
    expect(await lastLine(house)).toMatch(/E6002.*When a slot is lost/);
    expect(await slotHas(house, 'true')).toBe(false);
    await expectUntouched(house);
  });

  test('dropped and made anew under its name', async () => {
    await using house = await openHouse();
    expect(await house.stop()).toBe(0);
    await dropReadSlot(house);
    await house.source.sql("insert into t values (2, 'passed over')");
    await house.source.rows(
      `select pg_create_logical_replication_slot('${house.slotName}', 'pgoutput')`,
    );
    await house.source.sql("insert into t values (3, 'not to be read')");
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6006/);
    await expectUntouched(house);
  });

  test('advanced by somebody', async () => {
    await using house = await openHouse();
    await stopReading(house);
    await house.source.sql("insert into t values (2, 'passed over')");
    await house.source.rows(
      `select pg_replication_slot_advance('${house.slotName}', pg_current_wal_lsn())`,
    );
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6006/);
    await expectUntouched(house);
  });

  test('lost because the source has removed its WAL', async () => {
    await using small = await startSlotServer({
      settings: { max_slot_wal_keep_size: '1MB', max_wal_size: '32MB' },
    });
    await using house = await openHouse({ server: small });
    expect(await house.stop()).toBe(0);
    for (let segment = 0; segment < 4; segment += 1) {
      await house.source.sql(`insert into t values (${segment + 2}, 'gone')`);
      await house.source.rows('select pg_switch_wal()');
    }
    await house.source.sql('checkpoint');
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6003.*create a new one/);
    await expectUntouched(house);
  });

  // Until 17 the source refuses to go on; since, it passes over the changes.
  test.for([12, currentMajor] as const)(
    'its publication dropped while the daemon reads it, at PostgreSQL %i',
    async (major) => {
      await using own = await startSlotServer({ major });
      await using house = await openHouse({ server: own });
      await house.source.sql('drop publication changes');
      await house.source.sql("insert into t values (2, 'not published')");
      expect(await lastLine(house)).toMatch(/E6002.*publication.*"changes"/);
      await expectUntouched(house);
    },
  );
});

test(
  'a publication that was dropped and made anew while the daemon was down has a gap, and is not read over it',
  { timeout: timeoutMs },
  async () => {
    await using house = await openHouse();
    expect(await house.stop()).toBe(0);
    await house.source.sql('drop publication changes');
    await house.source.sql("insert into t values (2, 'in the gap')");
    await house.source.sql('create publication changes for all tables');
    await house.source.sql("insert into t values (3, 'behind it')");
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(
      /E6002.*"changes".*can never be read/,
    );
    await expectUntouched(house);
  },
);

test(
  'a slot that somebody else reads is waited for, and read on when it is free',
  { timeout: timeoutMs },
  async () => {
    await using house = await openHouse();
    await house.kill();
    await using other = await readSlotElsewhere(house);
    await house.source.sql("insert into t values (2, 'second')");
    await house.start({ waitFor: 'nothing' });
    const pid = await readerOf(house);
    await until('the daemon says by whom the slot is read', () =>
      new RegExp(`waiting: .*\\b${pid}\\b`).test(house.daemon.logs()),
    );
    await other[Symbol.asyncDispose]();
    await house.settle();
  },
);

describe('a source that is not what it was', { timeout: timeoutMs }, () => {
  test('restored from an older copy of its files', async () => {
    await using own = await startSlotServer();
    await using house = await openHouse({ server: own });
    expect(await house.stop()).toBe(0);
    await using copy = await copyOf(own);
    await house.start();
    await house.source.sql("insert into t values (2, 'lost in the restore')");
    await house.caughtUp();
    expect(await house.stop()).toBe(0);
    await copy.putBack();
    await house.source.sql("insert into t values (3, 'anew')");
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6005.*WAL now ends before/);
    expect(await house.target.rows('select id from t order by id')).toEqual([
      ['1'],
      ['2'],
    ]);
  });

  test('failed over to a standby that lagged, which has gone on since', async () => {
    await using own = await startSlotServer();
    await using house = await openHouse({ server: own });
    expect(await house.stop()).toBe(0);
    await using copy = await copyOf(own);
    await house.start();
    await house.source.sql("insert into t values (2, 'lost in the failover')");
    await house.caughtUp();
    expect(await house.stop()).toBe(0);
    await copy.putBack({ promoted: true });
    // Beyond the place that was read, so that only its timeline tells.
    await house.source.sql('create table more (v text)');
    await house.source.sql(
      "insert into more select repeat('x', 1000) from generate_series(1, 5000)",
    );
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6005.*timeline 2 branched off/);
  });

  test('failed over to a standby that had everything: it is read on', async () => {
    await using own = await startSlotServer();
    await using house = await openHouse({ server: own });
    expect(await house.stop()).toBe(0);
    await house.source.sql("insert into t values (2, 'before the failover')");
    await using copy = await copyOf(own);
    await copy.putBack({ promoted: true });
    await house.source.sql("insert into t values (3, 'after it')");
    await house.start();
    await house.settle(['t']);
  });

  test('another database cluster at its address', async () => {
    await using own = await startSlotServer({ isOfItsOwn: true });
    await using house = await openHouse();
    expect(await house.stop()).toBe(0);
    await using other = await slotHouse({
      server: own,
      setup: 'create table t (id int primary key, v text)',
    });
    expect(await other.stop()).toBe(0);
    await other.source.rows(
      `select pg_create_logical_replication_slot('${house.slotName}', 'pgoutput')`,
    );
    await house.start({
      args: [`--sourceConn=${other.source.url}`],
      waitFor: 'nothing',
    });
    expect(await lastLine(house)).toMatch(/E6005.*another database cluster/);
    await expectUntouched(house);
  });
});

describe('staging that is not what it was', { timeout: timeoutMs }, () => {
  test('filled from another slot', async () => {
    await using house = await openHouse();
    expect(await house.stop()).toBe(0);
    const other = `${house.slotName}_b`;
    await house.source.rows(
      `select pg_create_logical_replication_slot('${other}', 'pgoutput')`,
    );
    await house.start({ args: [`--slotName=${other}`], waitFor: 'nothing' });
    expect(await lastLine(house)).toMatch(/E6008/);
    await expectUntouched(house);
  });

  test('lost, while the target knows how far it was', async () => {
    await using house = await openHouse();
    await stopReading(house);
    const [[before]] = (await house.source.rows(
      `select confirmed_flush_lsn from pg_replication_slots where slot_name = '${house.slotName}'`,
    )) as [[string]];
    await house.source.sql("insert into t values (2, 'second')");
    await rm(join(house.dataDir, 'staging.db'));
    await house.start({ waitFor: 'nothing' });
    expect(await lastLine(house, 1)).toMatch(/E4016/);
    expect(await slotHas(house, `confirmed_flush_lsn = '${before}'`)).toBe(
      true,
    );
    await expectUntouched(house);
  });

  test('ahead of a target that was restored: what is missing is applied again', async () => {
    await using house = await openHouse();
    const [[applied]] = (await house.target.rows(
      'select applied from replicator_checkpoint',
    )) as [[string]];
    await house.source.sql(
      "insert into t values (2, 'second'); update t set v = 'changed' where id = 1",
    );
    await house.caughtUp();
    expect(await house.stop()).toBe(0);
    await house.target.sql(
      `delete from t where id = 2; update t set v = 'first' where id = 1;
       update replicator_checkpoint set applied = '${applied}'`,
    );
    await house.start();
    await house.settle();
  });
});

/** A server's files as they are now; it is stopped for it and goes on. */
async function copyOf(own: PostgresServer): Promise<
  AsyncDisposable & {
    /** In place of what the server has written since. */
    putBack(how?: { readonly promoted: boolean }): Promise<void>;
  }
> {
  const copy = `${own.dataDir}-copy`;
  await own.stop();
  // Owners and modes too: the server refuses a folder that is not its own.
  await promisify(execFile)('cp', ['-Rp', own.dataDir, copy]);
  await own.start();
  return {
    async putBack({ promoted } = { promoted: false }) {
      await own.stop();
      await rm(own.dataDir, { recursive: true });
      await rename(copy, own.dataDir);
      if (promoted) {
        await appendFile(
          join(own.dataDir, 'postgresql.auto.conf'),
          "restore_command = 'false'\n",
        );
        await writeFile(join(own.dataDir, 'recovery.signal'), '');
      }
      await own.start();
      const session = await openSession(own.url());
      await until('the server writes', async () => {
        const [row] = await session.rows('select pg_is_in_recovery()');
        return row![0] === 'f';
      });
      await session.end();
    },
    [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
  };
}
