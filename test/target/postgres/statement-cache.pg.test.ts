import { expect, test } from 'vitest';
import { applyTo, failureOf, row } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

test.each([1, 2, 3])(
  'a statement that the server never took is no loss later (of a cache of %i)',
  async (statementCacheSize) => {
    await using fixture = await postgresFixture({ statementCacheSize });
    const target = await fixture.reopen({ poolSize: 1 });
    await using _ = target;
    await fixture.sql(`
      create table a (id int4 primary key, n int4 unique);
      create table b (id int4 primary key, n int4);
      create table c (id int4 primary key, n int4);
      insert into a values (9, 9)`);
    const write = (name: string, n: number) =>
      applyTo(
        fixture,
        { [name]: [row(n, [1], { id: '1', n: String(n) })] },
        { target },
      );
    // What is sent behind a failure is not even parsed.
    const failure = await failureOf(
      applyTo(
        fixture,
        {
          a: [row(1, [1], { id: '1', n: '9' })],
          b: [row(1, [1], { id: '1', n: '1' })],
          c: [row(1, [1], { id: '1', n: '1' })],
        },
        { target },
      ),
    );
    expect(failure.code).toBe('E4013');
    for (const n of [2, 3, 4]) {
      for (const name of ['c', 'a', 'b']) {
        await write(name, n);
      }
    }
    expect(
      await fixture.rows('select a.n, b.n, c.n from a, b, c where a.id = 1'),
    ).toEqual([['4', '4', '4']]);
  },
);
