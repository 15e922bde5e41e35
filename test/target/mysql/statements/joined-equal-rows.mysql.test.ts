/** Deleting equal rows all at once leaves what deleting each by itself leaves. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  failureOf,
  rowsOf,
  transact,
  type Row,
} from '../../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from '../fixture.ts';

const texts = ['a', 'A', 'a ', 'ä', `it's \t \\N`];

/** Of few values, so that rows come several times. */
const entry: fc.Arbitrary<Row> = fc.record({
  n: fc.constantFrom('null', '0', '1'),
  name: fc.constantFrom('null', ...texts.map((text) => JSON.stringify(text))),
  amount: fc.constantFrom('null', '0.1', '-2'),
});

async function remaining(
  fixture: MysqlFixture,
  present: readonly Row[],
  deleted: readonly Row[],
): Promise<(string | null)[][]> {
  await fixture.sql('delete from entry');
  await transact(fixture, async (transaction, { tables }) => {
    const table = tables.get('entry')!;
    await transaction.insert(rowsOf(table, present));
    await transaction.deleteEqual(rowsOf(table, deleted));
  });
  return await fixture.rows(
    'select n, hex(name), amount from entry order by n, hex(name), amount',
  );
}

test.each(MYSQL_PRODUCTS)(
  'both ways leave the same rows (%s)',
  async (product) => {
    await using single = await mysqlFixture(product, { fewRows: Infinity });
    await using joined = await mysqlFixture(product, { fewRows: 0 });
    for (const fixture of [single, joined]) {
      await fixture.sql(
        'create table entry (n int, name varchar(20), amount float)',
      );
    }
    const rows = fc.array(entry, { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(rows, rows, async (present, deleted) => {
        expect(await remaining(joined, present, deleted)).toEqual(
          await remaining(single, present, deleted),
        );
      }),
      { numRuns: 25 },
    );
  },
);

test.each(MYSQL_PRODUCTS)(
  'a character that the table lacks is refused either way (%s)',
  async (product) => {
    for (const fewRows of [0, Infinity]) {
      await using fixture = await mysqlFixture(product, { fewRows });
      await fixture.sql(
        'create table entry (n int, name varchar(20) character set latin1, amount float)',
      );
      const present = [{ n: '1', name: '"?"', amount: 'null' }];
      const failure = await failureOf(
        remaining(fixture, present, [{ ...present[0]!, name: '"🐘"' }]),
      );
      expect(failure.code).toBe('E4006');
    }
  },
);

test.each(MYSQL_PRODUCTS)(
  'a row that is equal to two that are to go, written otherwise, goes once (%s)',
  async (product) => {
    await using fixture = await mysqlFixture(product, { fewRows: 0 });
    await fixture.sql('create table entry (n int, amount double)');
    await transact(fixture, async (transaction, { tables }) => {
      const table = tables.get('entry')!;
      await transaction.insert(
        rowsOf(table, [
          { n: '1', amount: '100' },
          { n: '2', amount: '5' },
        ]),
      );
      await transaction.deleteEqual(
        rowsOf(table, [
          { n: '1', amount: '100' },
          { n: '1', amount: '1e2' },
        ]),
      );
    });
    expect(await fixture.rows('select n, amount from entry')).toEqual([
      ['2', '5'],
    ]);
  },
);
