/** Folding, grouping and ordering may change nothing: against one by one. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Mutation } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { createApplier } from '../../src/target/applier.ts';
import { applyTo, row, shapeOf } from '../contract/target-fixture.ts';
import { postgresFixture } from './postgres/fixture.ts';

const columns = ['a', 'b', 'c'] as const;

/** Versions of a few keys, many of them sparse, in time order. */
const history = fc
  .array(
    fc.record({
      key: fc.integer({ min: 1, max: 4 }),
      after: fc.option(
        fc.uniqueArray(
          fc.tuple(fc.constantFrom(...columns), fc.integer({ min: 0, max: 3 })),
          { selector: ([name]) => name, maxLength: 3 },
        ),
        { freq: 4 },
      ),
      step: fc.integer({ min: 0, max: 1 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((steps) => {
    let second = 0;
    return steps.map(({ key, after, step }): Mutation => {
      second += step;
      const members = after && {
        id: String(key),
        ...Object.fromEntries(
          after.map(([name, value]) => [
            name,
            value === 3 ? 'null' : `"${value}"`,
          ]),
        ),
      };
      return row(second, [key], members as Record<string, string> | null);
    });
  });

describe('the applier', () => {
  test('leaves what applying one by one would have left, folded or not, cut anywhere', async () => {
    await using fixture = await postgresFixture();
    const { target } = fixture;
    const definition = `item (id int8 primary key, a text default 'da', b text, c text default 'dc')`;
    const schemas = ['folded', 'stepped', 'single'];
    for (const schema of schemas) {
      await fixture.sql(`create schema ${schema}`);
      await fixture.sql(`create table ${schema}.${definition}`);
    }
    const places = Object.fromEntries(
      schemas.map((schema) => [
        schema,
        { target, schema: schemaName([fixture.database.name, schema]) },
      ]),
    );
    await fc.assert(
      fc.asyncProperty(history, fc.nat(25), async (item, cut) => {
        for (const schema of schemas) {
          await fixture.sql(`truncate ${schema}.item`);
          await fixture.sql(
            `insert into ${schema}.item values (1, 'x', 'x', 'x'), (2, 'x', 'x', 'x')`,
          );
        }
        await applyTo(places['folded']!, { item: item.slice(0, cut) });
        await applyTo(places['folded']!, { item: item.slice(cut) });
        await applyTo(
          places['stepped']!,
          { item },
          { collapse: false, order: 'deletes-first' },
        );
        const single = (await shapeOf(places['single']!)).tables.get('item')!;
        await using transaction = await target.begin();
        for (const mutation of item) {
          await createApplier({ collapse: true }).apply(
            [{ table: single, mutations: [mutation] }],
            transaction,
            new AbortController().signal,
          );
        }
        await transaction.commit(null);
        const [folded, stepped, expected] = await Promise.all(
          schemas.map((schema) =>
            fixture.rows(`select * from ${schema}.item order by id`),
          ),
        );
        expect(folded).toEqual(expected);
        expect(stepped).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test('counts rows, and stops between statements when aborted', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const applier = createApplier({ collapse: true });
    await using transaction = await fixture.target.begin();
    const counts = await applier.apply(
      [
        {
          table,
          mutations: [
            row(1, [1], { id: '1' }),
            row(2, [1], { id: '1' }),
            row(1, [2], null),
            row(1, [3], null),
          ],
        },
      ],
      transaction,
      new AbortController().signal,
    );
    expect(counts).toEqual({ upsertCount: 1, deleteCount: 2 });
    await expect(
      applier.apply(
        [{ table, mutations: [row(3, [4], { id: '4' })] }],
        transaction,
        AbortSignal.abort(),
      ),
    ).rejects.toMatchObject({ name: 'AbortError' });
  });
});
