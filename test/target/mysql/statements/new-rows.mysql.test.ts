/** Rows that are inserted at once, because those before them were all new, and are not. */
import { expect, test } from 'vitest';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { mysqlFixture } from '../fixture.ts';

test.each(
  MYSQL_PRODUCTS.flatMap((product) =>
    [0, Infinity].map((fewRows) => ({ product, fewRows })),
  ),
)(
  'what would be refused of a new row is not refused of one that is there ($product, $fewRows)',
  async ({ product, fewRows }) => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await using target = await fixture.reopen({ poolSize: 1 });
    const single = { target, schema: fixture.schema };
    await fixture.sql(
      'create table item (id int primary key, code int unique, low int default 0, high int default 0, check (low <= high))',
    );
    await fixture.sql(
      `create trigger guard before insert on item for each row
        if new.code < 0 then signal sqlstate '45000' set message_text = 'no'; end if`,
    );
    const cells = (id: number, low: number): Record<string, string> => ({
      id: String(id),
      code: String(id),
      low: String(low),
      high: '9',
    });
    await applyTo(single, { item: [row(1, [1], cells(1, 1))] });
    // Its default for `high` would be too low.
    await applyTo(single, { item: [row(2, [1], { id: '1', low: '5' })] });
    for (let id = 2; id < 12; id += 1) {
      await applyTo(single, { item: [row(id, [id], cells(id, 1))] });
    }
    await applyTo(single, {
      item: [row(20, [2], { ...cells(2, 7), code: '-2' })],
    });
    expect(
      await fixture.rows('select id, code, low, high from item where id < 4'),
    ).toEqual([
      ['1', '1', '5', '9'],
      ['2', '-2', '7', '9'],
      ['3', '3', '1', '9'],
    ]);
  },
);

test.each(
  MYSQL_PRODUCTS.flatMap((product) =>
    [0, Infinity].map((fewRows) => ({ product, fewRows })),
  ),
)(
  'nor where nothing but the key is unique ($product, $fewRows)',
  async ({ product, fewRows }) => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      'create table item (id int primary key, low int default 0, high int default 0, check (low <= high))',
    );
    await applyTo(fixture, {
      item: [row(1, [1], { id: '1', low: '1', high: '9' })],
    });
    await applyTo(fixture, { item: [row(2, [1], { id: '1', low: '5' })] });
    expect(await fixture.rows('select id, low, high from item')).toEqual([
      ['1', '5', '9'],
    ]);
    const failure = await failureOf(
      applyTo(fixture, { item: [row(3, [2], { id: '2', low: '5' })] }),
    );
    expect(failure.code).toBe('E4005');
  },
);
