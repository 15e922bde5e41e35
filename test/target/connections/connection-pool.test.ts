import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import {
  ConnectionPool,
  type PoolOptions,
} from '../../../src/target/connections/connection-pool.ts';

class Line {
  usable = true;
  closed = false;
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function poolOf(options: Partial<PoolOptions> = {}) {
  const lines: Line[] = [];
  const pool = new ConnectionPool(
    () => {
      const line = new Line(lines.length);
      lines.push(line);
      return Promise.resolve(line);
    },
    { maxSize: 2, idleMs: 60_000, jitterMs: 0, maxLifetimeMs: 0, ...options },
  );
  return { pool, lines };
}

describe('the connection pool', () => {
  test('lends the connection that came back last', async () => {
    const { pool } = poolOf();
    await using _ = pool;
    const first = await pool.borrow();
    const second = await pool.borrow();
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await using again = await pool.borrow();
    expect(again.connection.number).toBe(1);
    expect(pool.counts()).toMatchObject({
      total: 2,
      idle: 1,
      waiting: 0,
      dialCount: 2,
    });
  });

  test('serves borrowers in the order they came, and passes over those that gave up', async () => {
    const { pool } = poolOf({ maxSize: 1 });
    await using _ = pool;
    const order: string[] = [];
    const first = await pool.borrow();
    const abort = new AbortController();
    const waiting = ['a', 'b', 'c'].map(async (name) => {
      try {
        await using loan = await pool.borrow(
          name === 'a' ? abort.signal : undefined,
        );
        order.push(`${name}${loan.connection.number}`);
      } catch (error) {
        order.push(`${name} ${(error as Error).name}`);
      }
    });
    expect(pool.counts().waiting).toBe(3);
    abort.abort();
    await first[Symbol.asyncDispose]();
    await Promise.all(waiting);
    expect(order).toEqual(['a AbortError', 'b0', 'c0']);
  });

  test('a turn that is given to a borrower that has just aborted goes to the next', async () => {
    const { pool } = poolOf({ maxSize: 1 });
    await using _ = pool;
    const first = await pool.borrow();
    const abort = new AbortController();
    const gaveUp = pool.borrow(abort.signal).catch((error: unknown) => error);
    const next = pool.borrow();
    // In one tick: the loan comes back, its turn is given, and then the abort.
    const returned = first[Symbol.asyncDispose]();
    abort.abort();
    await returned;
    expect(await gaveUp).toMatchObject({ name: 'AbortError' });
    await (await next)[Symbol.asyncDispose]();
  });

  test('a connection that broke, or has lived too long, is not lent again', async () => {
    const { pool, lines } = poolOf({ maxLifetimeMs: 300 });
    await using _ = pool;
    const broken = await pool.borrow();
    broken.connection.usable = false;
    await broken[Symbol.asyncDispose]();
    await (await pool.borrow())[Symbol.asyncDispose]();
    await sleep(400);
    await (await pool.borrow())[Symbol.asyncDispose]();
    expect(lines.map(({ closed }) => closed)).toEqual([true, true, false]);
    expect(pool.counts()).toMatchObject({ total: 1, dialCount: 3 });
  });

  test('idle connections are closed after a while', async () => {
    const { pool, lines } = poolOf({ idleMs: 10 });
    await using _ = pool;
    await (await pool.borrow())[Symbol.asyncDispose]();
    await expect.poll(() => lines[0]!.closed, { timeout: 10_000 }).toBe(true);
    expect(pool.counts()).toMatchObject({ total: 0, idle: 0 });
  });

  test('a dial that fails leaves room for the next', async () => {
    let failing = true;
    await using pool = new ConnectionPool(
      () =>
        failing
          ? Promise.reject(new Error('no'))
          : Promise.resolve(new Line(0)),
      { maxSize: 1, idleMs: 1000, jitterMs: 0, maxLifetimeMs: 0 },
    );
    await expect(pool.borrow()).rejects.toThrow('no');
    failing = false;
    await (await pool.borrow())[Symbol.asyncDispose]();
    expect(pool.counts()).toMatchObject({
      total: 1,
      dialCount: 1,
      dialErrorCount: 1,
    });
  });

  test('idle connections and places without one are to spare', async () => {
    const { pool } = poolOf({ maxSize: 3 });
    await using _ = pool;
    expect(pool.counts().spare).toBe(3);
    const first = await pool.borrow();
    const second = await pool.borrow();
    expect(pool.counts().spare).toBe(1);
    await first[Symbol.asyncDispose]();
    expect(pool.counts()).toMatchObject({ spare: 2, idle: 1 });
    await second[Symbol.asyncDispose]();
    expect(pool.counts()).toMatchObject({ spare: 3, idle: 2 });
  });

  test('closing waits for what is lent, and lends no more', async () => {
    const { pool, lines } = poolOf({ maxSize: 1 });
    const loan = await pool.borrow();
    const waiting = pool.borrow().catch((error: Error) => error.message);
    let closed = false;
    const closing = pool[Symbol.asyncDispose]().then(() => {
      closed = true;
    });
    expect(await waiting).toMatch('closed');
    expect(closed).toBe(false);
    await loan[Symbol.asyncDispose]();
    await closing;
    expect(lines[0]!.closed).toBe(true);
    await expect(pool.borrow()).rejects.toThrow('closed');
  });
});
