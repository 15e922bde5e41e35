/** Cases of the target contract: transactions, cancel, pool, schema watch, watermark. */
import { expect } from 'vitest';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import { printTimestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { createApplier } from '../../src/target/applier.ts';
import { watchSchema } from '../../src/target/schema-watch.ts';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  at,
  answers,
  failureOf,
  row,
  shapeOf,
} from './target-fixture.ts';

export function registerSessionsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('a statement whose table has changed asks for another look at the schema', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${text})`,
    );
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await fixture.sql('alter table item drop column a');
    await using transaction = await fixture.target.begin();
    const failure = await failureOf(
      createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(1, [1], { id: '1', a: '"x"' })] }],
        transaction,
        new AbortController().signal,
      ),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4011', 'retry']);
  });

  test('what is not committed is rolled back', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    const table = (await shapeOf(fixture)).tables.get('item')!;
    {
      await using transaction = await fixture.target.begin();
      await createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(1, [1], { id: '1' })] }],
        transaction,
        new AbortController().signal,
      );
    }
    expect(await fixture.rows('select id from item')).toEqual([]);
    expect(fixture.target.poolCounts()).toMatchObject({ idle: 1, total: 1 });
  });

  test('a transaction is kept alive between its statements, and writes what they wrote', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const applier = createApplier({ collapse: true });
    const { signal } = new AbortController();
    await using transaction = await fixture.target.begin();
    await transaction.keepAlive();
    for (const id of [1, 2]) {
      // Not awaited: it may come at any moment.
      const kept = transaction.keepAlive();
      await applier.apply(
        [{ table, mutations: [row(id, [id], { id: `${id}` })] }],
        transaction,
        signal,
      );
      await kept;
    }
    await transaction.commit(null);
    expect(await fixture.rows('select id from item order by id')).toHaveLength(
      2,
    );
    expect((await failureOf(transaction.keepAlive())).code).toBe('E4008');
  });

  test('an abort cancels the running statement and rolls back', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${text})`,
    );
    await fixture.sql(`insert into item values (1, 'held')`);
    // One transaction waits for the row that the other holds.
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await using holder = await fixture.target.begin();
    const applier = createApplier({ collapse: true });
    const never = new AbortController().signal;
    await applier.apply(
      [{ table, mutations: [row(1, [1], { id: '1', a: '"holder"' })] }],
      holder,
      never,
    );
    const abort = new AbortController();
    const waiting = applyTo(
      fixture,
      {
        item: [
          row(2, [2], { id: '2' }),
          row(2, [1], { id: '1', a: '"waiter"' }),
        ],
      },
      { signal: abort.signal },
    );
    const outcome = waiting.catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 100));
    abort.abort();
    expect(await outcome).toMatchObject({ name: 'AbortError' });
    await holder.commit(null);
    expect(await fixture.rows('select id, a from item')).toEqual([
      ['1', 'holder'],
    ]);
    expect(fixture.target.poolCounts().waiting).toBe(0);
  });

  test('a statement that outlasts the timeout is a failure to retry', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${text})`,
    );
    await fixture.sql(`insert into item values (1, 'held')`);
    await using hasty = await fixture.reopen({ applyTimeoutMs: 200 });
    await expect.poll(() => answers(hasty)).toBe(true);
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await using holder = await fixture.target.begin();
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [1], { id: '1', a: '"x"' })] }],
      holder,
      new AbortController().signal,
    );
    const failure = await failureOf(
      applyTo(
        fixture,
        { item: [row(2, [1], { id: '1', a: '"y"' })] },
        { target: hasty },
      ),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4003', 'retry']);
  });

  test('the pool never opens more connections than it may', async () => {
    await using fixture = await open();
    await using target = await fixture.reopen({ poolSize: 2 });
    const first = await target.begin();
    const second = await target.begin();
    const third = target.begin();
    await target.ping(AbortSignal.abort()).catch(() => {});
    expect(target.poolCounts()).toMatchObject({
      total: 2,
      idle: 0,
      waiting: 1,
    });
    const gaveUp = target
      .begin(AbortSignal.timeout(50))
      .catch((error: unknown) => error);
    expect(await gaveUp).toMatchObject({ name: 'TimeoutError' });
    await first[Symbol.asyncDispose]();
    await using late = await third;
    expect(target.poolCounts()).toMatchObject({
      total: 2,
      idle: 0,
      waiting: 0,
      dialCount: 2,
    });
    await late.commit(null);
    await second[Symbol.asyncDispose]();
  });

  test('sees tables and columns that come while it watches', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    const seen: string[][] = [];
    await using watch = watchSchema(fixture.target, fixture.schema, {
      refreshMs: 0,
      signal: new AbortController().signal,
      onChange: (shape) =>
        seen.push(
          [...shape.tables.values()].map(
            (table) =>
              `${table.name}(${table.columns.map((column) => column.name).join(',')})`,
          ),
        ),
    });
    await watch.refresh();
    await watch.refresh();
    await fixture.sql(`alter table item add a ${text}`);
    await watch.refresh();
    await fixture.sql(`create table later (id ${integer} primary key)`);
    await watch.refresh();
    expect(seen).toEqual([
      ['item(id)'],
      ['item(id,a)'],
      ['item(id,a)', 'later(id)'],
    ]);
  });

  test('a schema that is not there is null', async () => {
    await using fixture = await open();
    expect(
      await fixture.target.introspect('nowhere.at_all' as SchemaName),
    ).toBeNull();
    // Nor one that is there and nobody may want to write to.
    expect(await fixture.target.introspect(fixture.systemSchema)).toBeNull();
  });

  test('moves the watermark in the transaction of the rows', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    expect(await target.checkpoint(schema)).toBeNull();
    const claimed = await target.claimCheckpoint(schema, 'here', null);
    expect(claimed).toEqual({
      applied: '0000000000000000000.0000000000',
      epoch: 1,
    });
    {
      await using transaction = await target.begin();
      await transaction.commit({
        schema,
        checkpoint: { applied: at(5), epoch: 1 },
        previous: claimed!.applied,
      });
    }
    expect(await target.checkpoint(schema)).toEqual({
      applied: at(5),
      epoch: 1,
    });
    expect([...(await shapeOf(fixture)).tables.keys()]).toEqual(['item']);
  });

  test('a watermark above zero is not handed to another staging store', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    const claimed = (await target.claimCheckpoint(schema, 'here', null))!;
    // Nothing has been written yet: whoever comes may have it.
    const moved = (await target.claimCheckpoint(schema, 'there', null))!;
    expect(moved.epoch).toBe(claimed.epoch + 1);
    await using transaction = await target.begin();
    await transaction.commit({
      schema,
      checkpoint: { applied: at(5), epoch: moved.epoch },
      previous: moved.applied,
    });
    const failure = await failureOf(
      target.claimCheckpoint(schema, 'here', null),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4016', 'halt']);
    // The holder goes on undisturbed.
    expect(await target.checkpoint(schema)).toEqual({
      applied: at(5),
      epoch: moved.epoch,
    });
  });

  test('an old holder of the watermark commits nothing', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    const old = (await target.claimCheckpoint(schema, 'here', null))!;
    await using young = await fixture.reopen({});
    expect(await young.claimCheckpoint(schema, 'here', null)).toEqual({
      ...old,
      epoch: old.epoch + 1,
    });
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await using transaction = await target.begin();
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [1], { id: '1' })] }],
      transaction,
      new AbortController().signal,
    );
    const failure = await failureOf(
      transaction.commit({
        schema,
        checkpoint: { applied: at(5), epoch: old.epoch },
        previous: old.applied,
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4009', 'halt']);
    expect(await fixture.rows('select id from item')).toEqual([]);
    expect(await target.checkpoint(schema)).toEqual({
      ...old,
      epoch: old.epoch + 1,
    });
  });

  test('a watermark that is not where it was left stops the commit, which says where it is', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    const { epoch } = (await target.claimCheckpoint(schema, 'here', null))!;
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const step = async (from: number, to: number): Promise<void> => {
      await using transaction = await target.begin();
      await createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(to, [to], { id: String(to) })] }],
        transaction,
        new AbortController().signal,
      );
      await transaction.commit({
        schema,
        checkpoint: { applied: at(to), epoch },
        previous: from === 0 ? zeroTimestamp : at(from),
      });
    };
    await step(0, 1);
    await step(1, 2);
    // What a lagging replica looks like: the watermark of a moment ago.
    await fixture.sql(`update replicator_checkpoint set applied = '${at(1)}'`);
    const failure = await failureOf(step(2, 3));
    expect([failure.code, failure.disposition]).toEqual(['E4017', 'retry']);
    expect(failure.message).toContain(
      `is ${printTimestamp(at(1))}, and was left at ${printTimestamp(at(2))}`,
    );
    expect(await target.checkpoint(schema)).toEqual({ applied: at(1), epoch });
    expect(await fixture.rows('select id from item order by id')).toEqual([
      ['1'],
      ['2'],
    ]);
    await step(1, 3);
    expect(await target.checkpoint(schema)).toEqual({ applied: at(3), epoch });
    // The row is gone: nothing says that it is still ours.
    await fixture.sql('delete from replicator_checkpoint');
    expect((await failureOf(step(3, 4))).code).toBe('E4009');
  });
}
