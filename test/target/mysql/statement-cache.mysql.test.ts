import { describe, expect, test } from 'vitest';
import { applyTo, row } from '../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { mysqlFixture } from './fixture.ts';

describe.each(MYSQL_PRODUCTS)('prepared statements of %s', (product) => {
  test.each([0, 1])(
    'a statement that was dropped is prepared anew (of a cache of %i)',
    async (statementCacheSize) => {
      await using fixture = await mysqlFixture(product, {
        fewRows: Infinity,
        statementCacheSize,
      });
      const target = await fixture.reopen({ poolSize: 1 });
      await using _ = target;
      await fixture.sql('create table a (id int primary key, n int)');
      await fixture.sql('create table b (id int primary key, n int)');
      for (const second of [1, 2, 3]) {
        for (const name of ['a', 'b']) {
          await applyTo(
            fixture,
            { [name]: [row(second, [1], { id: '1', n: String(second) })] },
            { target },
          );
        }
      }
      expect(
        await fixture.rows('select a.n, b.n from a join b on a.id = b.id'),
      ).toEqual([['3', '3']]);
    },
  );
});
