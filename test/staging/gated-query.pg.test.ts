/** One connection, on which statements run behind their gates, and fail at each place. */
import pg from 'pg';
import { expect, test } from 'vitest';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  type Gate,
  gatesOn,
  runBehindGates,
} from '../../src/staging/postgres/append-gate.ts';
import { tablesOf } from '../../src/staging/postgres/schema.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

const gatesOf = gatesOn(tablesOf('staging'));
const schema = 'shop.public' as SchemaName;
const pass = gatesOf([schema], []);
const close = gatesOf([], [schema]);

interface Bench extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly client: pg.Client;
  /** Writes a row behind the gates; a number that is zero fails. */
  readonly write: (number: number, gates?: readonly Gate[]) => Promise<unknown>;
  /** The numbers that were written. */
  readonly written: () => Promise<number[]>;
  /** Advisory locks that anybody holds or waits for. */
  readonly lockCount: () => Promise<number>;
}

async function bench(): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const db = stack.use(await testDatabase());
  await db.query('create table written (number int)');
  const client = new pg.Client(db.url);
  await client.connect();
  stack.defer(() => client.end());
  const moved = stack.move();
  return {
    db,
    client,
    write: async (number, gates = pass) => {
      const statement = {
        name: 'write',
        text: 'with w as (insert into written values ($1::int) returning number) select 1 / number as n from w',
        values: [number],
      };
      const { rows } = await runBehindGates(client, statement, gates);
      return rows;
    },
    written: async () => {
      const { rows } = await db.query<{ number: number }>(
        'select number from written order by number',
      );
      return rows.map(({ number }) => number);
    },
    lockCount: async () => {
      const { rows } = await db.query<{ n: string }>(
        `select count(*) as n from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())`,
      );
      return Number(rows[0]!.n);
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

test('a statement that fails behind its gates leaves nothing behind, and the connection in order', async () => {
  await using here = await bench();
  for (const first of [0, 1]) {
    await here.write(first).catch((error: unknown) => {
      expect(error).toMatchObject({ code: '22012' });
    });
    await expect(here.write(0)).rejects.toMatchObject({ code: '22012' });
    // The failure is told before its locks are let go.
    await expect.poll(here.lockCount).toBe(0);
    expect(await here.write(first + 1)).toEqual([{ n: first === 0 ? 1 : 0 }]);
  }
  expect(await here.written()).toEqual([1, 1, 2]);
});

test.for([
  ['before the connection knew the gates', 0],
  ['when it knew them', 1],
] as const)(
  'a statement that times out at a gate, or is cancelled there, writes nothing and takes nothing: %s',
  async ([, writtenBefore]) => {
    await using here = await bench();
    for (let count = 0; count < writtenBefore; count += 1) {
      await here.write(1);
    }
    const other = new pg.Client(here.db.url);
    await other.connect();
    try {
      await other.query('begin');
      await other.query('select pg_advisory_xact_lock($1)', [close[0]!.key]);
      await here.client.query("set statement_timeout = '1s'");
      await expect(here.write(2)).rejects.toMatchObject({ code: '57014' });
      await here.client.query('set statement_timeout = 0');
      const { rows } = await here.client.query<{ pid: number }>(
        'select pg_backend_pid() as pid',
      );
      const waiting = here.write(3);
      const outcome = expect(waiting).rejects.toMatchObject({ code: '57014' });
      await expect.poll(here.lockCount).toBe(2);
      await here.db.query('select pg_cancel_backend($1)', [rows[0]!.pid]);
      await outcome;
      await expect.poll(here.lockCount).toBe(1);
      await other.query('commit');
      expect(await here.write(4)).toEqual([{ n: 0 }]);
      expect(await here.write(5, close)).toEqual([{ n: 0 }]);
    } finally {
      await other.end();
    }
    expect(await here.written()).toEqual([
      ...Array.from({ length: writtenBefore }, () => 1),
      4,
      5,
    ]);
    // The failure is told before its locks are let go.
    await expect.poll(here.lockCount).toBe(0);
  },
);

test('a session that has lost its isolation writes nothing behind a gate, and says why', async () => {
  await using here = await bench();
  const isolate = (isolation: string): Promise<unknown> =>
    here.client.query(`set default_transaction_isolation = '${isolation}'`);
  for (const isolation of ['repeatable read', 'serializable']) {
    await isolate(isolation);
    for (const gates of [pass, close]) {
      await expect(here.write(1, gates)).rejects.toThrow(isolation);
    }
  }
  expect(await here.written()).toEqual([]);
  await isolate('read committed');
  expect(await here.write(2)).toEqual([{ n: 0 }]);
  expect(await here.lockCount()).toBe(0);
});
