/** Cases of the target contract: large rows, large batches, wide tables. */
import { expect } from 'vitest';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  row,
} from './target-fixture.ts';

export function registerSizesCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('a row of 1 MiB and a batch of 10 000 rows cross', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, body ${text})`,
    );
    const big = 'ä"\\\n'.repeat(256 * 1024);
    await applyTo(fixture, {
      item: [
        row(1, [0], { id: '0', body: JSON.stringify(big) }),
        ...Array.from({ length: 10_000 }, (_, index) =>
          row(1, [index + 1], { id: String(index + 1), body: '"small"' }),
        ),
      ],
    });
    const [stored] = await fixture.rows('select body from item where id = 0');
    expect(stored![0] === big).toBe(true);
    expect(await fixture.rows('select count(*) from item')).toEqual([
      ['10001'],
    ]);
    await applyTo(fixture, {
      item: Array.from({ length: 10_001 }, (_, index) => row(2, [index], null)),
    });
    expect(await fixture.rows('select count(*) from item')).toEqual([['0']]);
  });

  test('a table of 1000 columns, or as many as the engine allows, is a table', async () => {
    await using fixture = await open();
    const { integer, smallInteger } = fixture.ddl;
    const columnCount = Math.min(1000, fixture.maxColumnCount);
    const columns = Array.from(
      { length: columnCount - 1 },
      (_, index) => `c${index}`,
    );
    await fixture.sql(
      `create table wide (id ${integer} primary key, ${columns.map((column) => `${column} ${smallInteger}`).join(', ')})`,
    );
    const after = (value: string): Record<string, string> =>
      Object.fromEntries([
        ['id', '1'],
        ...columns.map((column) => [column, value]),
      ]) as Record<string, string>;
    await applyTo(fixture, { wide: [row(1, [1], after('1'))] });
    await applyTo(fixture, { wide: [row(2, [1], after('2'))] });
    expect(
      await fixture.rows(`select c0, c500, c${columnCount - 2} from wide`),
    ).toEqual([['2', '2', '2']]);
  });
}
