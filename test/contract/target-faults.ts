/** Cases of the target contract: connections that break at the worst moment. */
import { expect } from 'vitest';
import { createApplier } from '../../src/target/applier.ts';
import type { Target, TargetTransaction } from '../../src/target/target.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import {
  type RegisterCase,
  type TargetFixture,
  at,
  failureOf,
  row,
  shapeOf,
} from './target-fixture.ts';

interface Faulty extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** On the schema of the fixture, through the proxy. */
  readonly target: Target;
}

async function behindProxy(fixture: TargetFixture): Promise<Faulty> {
  const { hostname, port } = new URL(fixture.url);
  const proxy = await startFaultProxy({ host: hostname, port: Number(port) });
  const target = await fixture.reopen({ url: proxy.url(fixture.url) });
  return {
    proxy,
    target,
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function writeItem(
  fixture: TargetFixture,
  transaction: TargetTransaction,
  id: number,
): Promise<void> {
  const table = (await shapeOf(fixture)).tables.get('item')!;
  await createApplier({ collapse: true }).apply(
    [{ table, mutations: [row(1, [id], { id: String(id) })] }],
    transaction,
    new AbortController().signal,
  );
}

export function registerFaultsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('a commit whose answer is lost is a lost connection, and has happened', async () => {
    await using fixture = await open();
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    await using faulty = await behindProxy(fixture);
    await using transaction = await faulty.target.begin();
    await writeItem(fixture, transaction, 1);
    const dropped = faulty.proxy.dropAnswerAfter(() => true);
    const failure = await failureOf(transaction.commit(null));
    expect([failure.code, failure.disposition]).toEqual(['E4002', 'retry']);
    await dropped;
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });

  test('after a lost answer the watermark tells whether the rows are there', async () => {
    await using fixture = await open();
    const { schema } = fixture;
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    await using faulty = await behindProxy(fixture);
    const { applied, epoch } = (await faulty.target.claimCheckpoint(
      schema,
      'here',
      null,
    ))!;
    await using transaction = await faulty.target.begin();
    await writeItem(fixture, transaction, 1);
    const dropped = faulty.proxy.dropAnswerAfter(() => true);
    const failure = await failureOf(
      transaction.commit({
        schema,
        checkpoint: { applied: at(5), epoch },
        previous: applied,
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4002', 'retry']);
    await dropped;
    // The same daemon asks again, on another connection.
    const told = await faulty.target.checkpoint(schema);
    const isCommitted = told!.applied === at(5);
    expect(told).toEqual({ applied: isCommitted ? at(5) : applied, epoch });
    expect(await fixture.rows('select id from item')).toEqual(
      isCommitted ? [['1']] : [],
    );
  });

  test('a connection that breaks in a transaction leaves nothing behind', async () => {
    await using fixture = await open();
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    await using faulty = await behindProxy(fixture);
    await using transaction = await faulty.target.begin();
    await writeItem(fixture, transaction, 1);
    faulty.proxy.cut();
    const failure = await failureOf(transaction.commit(null));
    expect([failure.code, failure.disposition]).toEqual(['E4002', 'retry']);
    await transaction[Symbol.asyncDispose]();
    expect(await fixture.rows('select id from item')).toEqual([]);
    // The pool gives out no broken connection twice.
    await using next = await faulty.target.begin();
    await writeItem(fixture, next, 2);
    await next.commit(null);
    expect(await fixture.rows('select id from item')).toEqual([['2']]);
    expect(faulty.target.poolCounts()).toMatchObject({ waiting: 0 });
  });
}
