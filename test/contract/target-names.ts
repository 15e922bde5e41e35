/** Cases of the target contract: names of tables and columns. */
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  row,
  shapeOf,
} from './target-fixture.ts';
import { hostileWords } from '../support/hostile-names.ts';

export function registerNamesCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('any name of a table or a column is only a name', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    const nameOf = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 16 })
      .filter((value) => !value.includes('\0') && value.isWellFormed())
      .filter((value) => fixture.names.isPossible(value));
    const hostile = fc.constantFrom(
      ...[...hostileWords, 'id\n', fixture.names.longest].filter((value) =>
        fixture.names.isPossible(value),
      ),
    );
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(hostile, nameOf),
        fc.uniqueArray(fc.oneof(hostile, nameOf), {
          minLength: 2,
          maxLength: 4,
          selector: (name) => fixture.names.identityOf(name),
        }),
        async (table, columns) => {
          count += 1;
          const [key, ...others] = columns as [string, ...string[]];
          const quoted = fixture.quote(table);
          await fixture.sql(
            `create table ${quoted} (${fixture.quote(key)} ${integer} primary key, ${others.map((column) => `${fixture.quote(column)} ${text}`).join(', ')})`,
          );
          const after = Object.fromEntries([
            [key, String(count)],
            ...others.map((column) => [column, JSON.stringify(column)]),
          ]) as Record<string, string>;
          try {
            // Object.fromEntries makes an own property of any name.
            await applyTo(fixture, {
              [table]: [row(1, [count], after)],
            } as never);
            await applyTo(fixture, {
              [table]: [row(2, [count], after), row(2, [0], null)],
            } as never);
            // Drivers have names of their own that no field may have.
            const names = columns
              .map((column, index) => `${fixture.quote(column)} as r${index}`)
              .join(', ');
            const stored = await fixture.rows(`select ${names} from ${quoted}`);
            expect(stored).toEqual([[String(count), ...others]]);
          } finally {
            await fixture.sql(`drop table ${quoted}`);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a column that is renamed in its case only is known by its new name', async () => {
    await using fixture = await open();
    const { integer, shortText, renameColumn } = fixture.ddl;
    const [lower, upper] = [fixture.quote('code'), fixture.quote('Code')];
    await fixture.sql(
      `create table item (id ${integer} primary key, ${lower} ${shortText(20)})`,
    );
    await applyTo(fixture, { item: [row(1, [1], { id: '1', code: '"a"' })] });
    await fixture.sql(renameColumn('item', 'code', 'Code'));
    const table = (await shapeOf(fixture)).tables.get('item')!;
    expect(table.columns.map(({ name }) => name)).toEqual(['id', 'Code']);
    await applyTo(fixture, {
      item: [
        row(2, [1], { id: '1', Code: '"b"' }),
        row(2, [2], { id: '2', Code: '"c"' }),
      ],
    });
    expect(
      await fixture.rows(`select id, ${upper} from item order by id`),
    ).toEqual([
      ['1', 'b'],
      ['2', 'c'],
    ]);
  });
}
