/** What appends and what resolves on several connections, step by step. */
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { openStaging } from '../../src/staging/open.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  at,
  entriesOf,
  keys,
  otherSchema,
  row,
  schema,
} from '../contract/staging-place.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

/** Two daemons on one staging schema, and a session that may hold them up. */
interface Bench extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly one: StagingStore;
  readonly other: StagingStore;
  readonly holder: pg.Client;
}

async function bench(): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const db = stack.use(await testDatabase());
  const options = {
    stagingConn: db.url,
    stagingSchema: `${db.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    shared: 'staged' as const,
    pool: {
      idleTimeMs: 60_000,
      jitterTimeMs: 15_000,
      maxLifetimeMs: 300_000,
      maxPoolSize: 8,
    },
  };
  const one = stack.use(await openStaging(options));
  const other = stack.use(await openStaging(options));
  const holder = new pg.Client(db.url);
  await holder.connect();
  stack.defer(() => holder.end());
  await one.resolve(schema, at(1));
  const moved = stack.move();
  return {
    db,
    one,
    other,
    holder,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Resolves when so many sessions wait for a lock of this kind. */
async function waiting(
  { db }: Bench,
  kind: 'advisory' | 'row',
  count = 1,
): Promise<void> {
  const isKind =
    kind === 'advisory'
      ? "wait_event = 'advisory'"
      : "wait_event in ('transactionid', 'tuple')";
  await expect
    .poll(async () => {
      const { rows } = await db.query<{ n: string }>(
        `select count(*) as n from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and ${isKind}`,
      );
      return Number(rows[0]!.n);
    })
    .toBe(count);
}

const above = (second: number) => ({ guard: { schema, above: at(second) } });

/** Appending waits, within its statement, for whoever holds the lock 42. */
async function holdAppends({ db, holder }: Bench): Promise<void> {
  await db.query(`create function hold() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(42); return new; end $$`);
  await db.query(`create trigger hold before insert on staging.staging_log
    for each row execute function hold()`);
  await holder.query('begin; select pg_advisory_xact_lock(42)');
}

describe('appending and resolving on two connections', () => {
  test('who appends waits for a resolved timestamp that is being recorded, and then sees it', async () => {
    await using here = await bench();
    await here.holder.query(
      'begin; select 1 from staging.staging_checkpoint for update',
    );
    const resolving = here.one.resolve(schema, at(9));
    await waiting(here, 'row');
    const late = here.other.append(entriesOf(row(at(5), 'late')), above(5));
    const new_ = here.other.append(entriesOf(row(at(15), 'new')), above(15));
    await waiting(here, 'advisory');
    await here.holder.query('commit');
    expect(await resolving).toMatchObject({ accepted: true });
    expect([await late, await new_]).toEqual([false, true]);
    expect(await keys(here.one)).toEqual(['["new"]']);
  });

  test('a resolved timestamp that is rolled back keeps nobody out', async () => {
    await using here = await bench();
    await here.holder.query(
      'begin; select 1 from staging.staging_checkpoint for update',
    );
    const resolving = here.one.resolve(schema, at(9));
    const outcome = expect(resolving).rejects.toMatchObject({ code: 'E2007' });
    await waiting(here, 'row');
    const appending = here.other.append(entriesOf(row(at(5), 'a')), above(5));
    await waiting(here, 'advisory');
    await here.db.query(
      `select pg_cancel_backend(pid) from pg_stat_activity
       where wait_event in ('transactionid', 'tuple') and datname = current_database()`,
    );
    await outcome;
    expect(await appending).toBe(true);
    await here.holder.query('rollback');
  });

  test('a resolved timestamp is recorded when the rows are that were let through before', async () => {
    await using here = await bench();
    await holdAppends(here);
    const appending = here.other.append(entriesOf(row(at(5), 'a')), above(5));
    await waiting(here, 'advisory');
    let isResolved = false;
    const resolving = here.one.resolve(schema, at(9)).then(() => {
      isResolved = true;
    });
    await waiting(here, 'advisory', 2);
    // Other schemas have gates of their own.
    await here.one.resolve(otherSchema, at(9));
    expect((await here.one.checkpoint(schema)).resolved).toBe(at(1));
    expect(isResolved).toBe(false);
    await here.holder.query('commit');
    expect(await appending).toBe(true);
    await resolving;
    expect(await keys(here.one)).toEqual(['["a"]']);
  });

  test('many who append let one through that resolves: it is not kept waiting by those who came later', async () => {
    await using here = await bench();
    const stop = new AbortController();
    let appendedCount = 0;
    const lanes = [here.one, here.other].flatMap((store) =>
      Array.from({ length: 6 }, async (_, lane) => {
        for (let turn = 0; !stop.signal.aborted; turn += 1) {
          const time = at(1_000, turn);
          const key = `${lane}-${turn}`;
          await store.append(entriesOf(row(time, key)), above(1_000));
          appendedCount += 1;
        }
      }),
    );
    await expect.poll(() => appendedCount).toBeGreaterThan(100);
    for (let second = 2; second < 22; second += 1) {
      const before = appendedCount;
      await here.one.resolve(schema, at(second));
      // Some while it is under way, and not thousands.
      expect(appendedCount - before).toBeLessThan(2_000);
    }
    stop.abort();
    await Promise.all(lanes);
  });

  test('who appends to and resolves several schemas in one commit never meets another crosswise', async () => {
    await using here = await bench();
    const schemas = [schema, otherSchema];
    await Promise.all(
      [here.one, here.other].flatMap((store, side) =>
        Array.from({ length: 4 }, async (_, lane) => {
          for (let turn = 2; turn < 30; turn += 1) {
            const [mine, theirs] =
              (lane + side) % 2 === 0 ? schemas : schemas.toReversed();
            const key = `${side}-${lane}-${turn}`;
            await Promise.all([
              store.append(
                entriesOf(row(at(1_000, turn), key)).map((entry) => ({
                  ...entry,
                  schema: mine!,
                })),
                { guard: { schema: mine!, above: at(1_000) } },
              ),
              store.resolve(theirs!, at(turn)),
            ]);
          }
        }),
      ),
    );
    const { rows } = await here.db.query<{ deadlocks: string }>(
      'select deadlocks from pg_stat_database where datname = current_database()',
    );
    expect(Number(rows[0]!.deadlocks)).toBe(0);
    expect((await here.one.checkpoint(schema)).resolved).toBe(at(29));
    const { entryCount } = await here.one.size();
    expect(entryCount).toBe(2 * 4 * 28);
  });

  test('a database whose transactions are of another isolation changes nothing', async () => {
    await using here = await bench();
    await here.db.query(
      `alter database "${here.db.name}" set default_transaction_isolation = 'repeatable read'`,
    );
    const options = {
      stagingConn: here.db.url,
      stagingSchema: `${here.db.name}.staging`,
      createSchema: false,
      dataDir: '/nonexistent',
      exclusive: false,
      pool: {
        idleTimeMs: 60_000,
        jitterTimeMs: 0,
        maxLifetimeMs: 0,
        maxPoolSize: 4,
      },
    };
    await using store = await openStaging(options);
    await here.holder.query(
      'begin; select 1 from staging.staging_checkpoint for update',
    );
    const resolving = here.one.resolve(schema, at(9));
    await waiting(here, 'row');
    const late = store.append(entriesOf(row(at(5), 'late')), above(5));
    await waiting(here, 'advisory');
    await here.holder.query('commit');
    await resolving;
    expect(await late).toBe(false);
  });
});
