import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePostgresAddress } from '../../../../src/config/address/postgres.ts';
import { parseLsn } from '../../../../src/source/logical/server/lsn.ts';
import {
  WalStream,
  type WalStreamOptions,
} from '../../../../src/source/logical/wire/wal-stream.ts';
import { until } from '../../../e2e/arena.ts';
import { startFaultProxy } from '../../../support/fault-proxy.ts';
import { startSource, type TestSource } from '../server/source-fixture.ts';

const slotName = 'replicator';
const never = new AbortController().signal;

let source: TestSource;
beforeAll(async () => {
  source = await startSource();
  await source.run(
    'create table t (id int primary key, v text); create publication pub for table t',
  );
});
afterAll(() => source[Symbol.asyncDispose]());

async function withSlot(run: () => Promise<void>): Promise<void> {
  await source.run(
    `select pg_create_logical_replication_slot('${slotName}', 'pgoutput')`,
  );
  try {
    await run();
  } finally {
    await source.run(`do $$ begin loop begin
      perform pg_terminate_backend(active_pid) from pg_replication_slots;
      perform pg_drop_replication_slot('${slotName}'); return;
      exception when object_in_use then null; end; end loop; end $$`);
  }
}

function options(changes: Partial<WalStreamOptions> = {}): WalStreamOptions {
  return {
    address: parsePostgresAddress(source.server.url(), '--sourceConn'),
    slotName,
    from: 0n,
    plugin: { proto_version: '1', publication_names: 'pub' },
    standbyTimeoutMs: 5_000,
    ...changes,
  };
}

async function slot(): Promise<{ active: boolean; confirmed: bigint }> {
  await using session = await source.session();
  const [row] = await session.query<{ active: boolean; lsn: string }>(
    'select active, confirmed_flush_lsn::text as lsn from pg_replication_slots',
  );
  return { active: row!.active, confirmed: parseLsn(row!.lsn) };
}

test('messages of any size come in order, and stay as they are while their handler takes its time', () =>
  withSlot(async () => {
    const lengths = [1, 70_000, 3, 9_000_000, 2, 400_000, 1, 1, 33_000];
    for (const [id, length] of [...lengths, ...lengths].entries()) {
      await source.run(
        `insert into t values (${id}, repeat('${id % 10}', ${length}))`,
      );
    }
    await using stream = await WalStream.open(options(), never);
    const came: string[] = [];
    const digest = (payload: Buffer): string =>
      createHash('sha256').update(payload).digest('hex');
    await stream.run({
      message(buffer, start, behind) {
        const payload = buffer.subarray(start, behind);
        if (payload[0] !== 0x49) {
          return undefined;
        }
        const before = digest(payload);
        came.push(`${payload.length}`);
        if (came.length === lengths.length * 2) {
          stream.stop();
        }
        return came.length % 2 === 0
          ? sleep(30).then(() => expect(digest(payload)).toBe(before))
          : undefined;
      },
      keepalive: () => undefined,
      paused() {},
    });
    // Kind, table, N, count, two values with their lengths.
    expect(came).toEqual(
      [...lengths, ...lengths].map(
        (length, id) => `${1 + 4 + 1 + 2 + 5 + String(id).length + 5 + length}`,
      ),
    );
  }));

test('only what is confirmed moves the slot, and at the end it is free', () =>
  withSlot(async () => {
    const before = await slot();
    await source.run("insert into t values (1000, 'a')");
    let end = 0n;
    {
      await using stream = await WalStream.open(options(), never);
      expect((await slot()).active).toBe(true);
      await stream.run({
        message(buffer, start, behind) {
          const payload = buffer.subarray(start, behind);
          if (payload[0] === 0x43) {
            end = payload.readBigUInt64BE(10);
            stream.stop();
          }
          return undefined;
        },
        keepalive: () => undefined,
        paused() {},
      });
      expect((await slot()).confirmed).toBe(before.confirmed);
      stream.confirm(end);
    }
    await until('the slot is free', async () => !(await slot()).active);
    expect((await slot()).confirmed).toBe(end);
  }));

test('a slot that is being read is refused with the reader, E6004', () =>
  withSlot(async () => {
    await using stream = await WalStream.open(options(), never);
    await expect(WalStream.open(options(), never)).rejects.toMatchObject({
      code: 'E6004',
      message: expect.stringMatching(/active for PID \d+/),
    });
    void stream;
  }));

test('a server that falls silent, before its first answer or later, is taken for dead', () =>
  withSlot(async () => {
    await using proxy = await startFaultProxy(source.server);
    const through = options({
      address: parsePostgresAddress(
        proxy.url(source.server.url()),
        '--sourceConn',
      ),
      standbyTimeoutMs: 500,
    });
    {
      await using stream = await WalStream.open(through, never);
      const ended = stream.run({
        message: () => undefined,
        keepalive: () => undefined,
        paused() {},
      });
      proxy.hold();
      await expect(ended).rejects.toMatchObject({ code: 'E6010' });
    }
    proxy.cut();
    await proxy.resume();
    await until('the slot is free', async () => !(await slot()).active);
    void proxy.dropAnswerAfter((chunk) => {
      if (/START_REPLICATION/.test(chunk.toString('latin1'))) {
        proxy.hold();
      }
      return false;
    });
    await expect(WalStream.open(through, never)).rejects.toMatchObject({
      code: 'E6010',
    });
  }));

test('an abort ends the dialling and the wait for the first answer', () =>
  withSlot(async () => {
    await using proxy = await startFaultProxy(source.server);
    const through = options({
      address: parsePostgresAddress(
        proxy.url(source.server.url()),
        '--sourceConn',
      ),
    });
    for (const moment of [/START_REPLICATION/, /timezone/i]) {
      const abort = new AbortController();
      const reason = new Error('enough');
      void proxy.dropAnswerAfter((chunk) => {
        if (moment.test(chunk.toString('latin1'))) {
          proxy.hold();
          setTimeout(() => abort.abort(reason), 20);
        }
        return false;
      });
      await expect(WalStream.open(through, abort.signal)).rejects.toBe(reason);
      proxy.cut();
      await proxy.resume();
    }
  }));
