/** Folding, grouping and ordering may change nothing: against one by one. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Mutation, truncation } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { createApplier } from '../../src/target/applier.ts';
import {
  applyTo,
  at,
  keyless,
  type Row,
  row,
  shapeOf,
} from '../contract/target-fixture.ts';
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

/**
 * What a slot tells of two tables: rows come, change, move and go, a table is
 * emptied, and rows without a key come and go. Statement by statement.
 */
interface Told {
  readonly item?: readonly Mutation[];
  readonly entry?: readonly Mutation[];
}

const ids = [1, 2, 3, 4, 5];

const slotHistory = fc
  .array(
    fc.record({
      kind: fc.constantFrom(
        'put',
        'put',
        'go',
        'move',
        'move',
        'swap',
        'log',
        'unlog',
      ),
      from: fc.constantFrom(...ids),
      to: fc.constantFrom(...ids),
      names: fc.subarray([...columns]),
      value: fc.integer({ min: 0, max: 3 }),
      chance: fc.nat(15),
      step: fc.integer({ min: 0, max: 1 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((steps) => {
    const there = new Set([1, 2]);
    const entries: string[] = ['0', '0'];
    const told: Told[] = [];
    let second = 0;
    for (const { kind, from, to, names, value, chance, step } of steps) {
      second += step;
      const rowAt = (id: number): Mutation =>
        row(second, [id], {
          id: String(id),
          ...Object.fromEntries(names.map((name) => [name, `"${value}"`])),
        });
      if (chance === 0) {
        there.clear();
        told.push({ item: [truncation(at(second), false)] });
      } else if (chance === 1) {
        entries.length = 0;
        told.push({ entry: [truncation(at(second), true)] });
      } else if (kind === 'put') {
        there.add(to);
        told.push({ item: [rowAt(to)] });
      } else if (kind === 'go') {
        there.delete(from);
        told.push({ item: [row(second, [from], null)] });
      } else if (kind === 'move' && there.has(from) && !there.has(to)) {
        there.delete(from);
        there.add(to);
        const gone = row(second, [from], null);
        told.push({ item: [{ ...rowAt(to), movedFrom: gone.key }, gone] });
      } else if (kind === 'swap' && from !== to && there.has(from)) {
        // Through a key that no row keeps; one that is missing stays so.
        const through: (readonly [number, number])[] = there.has(to)
          ? [
              [from, 0],
              [to, from],
              [0, to],
            ]
          : [
              [from, 0],
              [0, from],
            ];
        for (const [left, taken] of through) {
          const gone = row(second, [left], null);
          told.push({
            item: [{ ...rowAt(taken), movedFrom: gone.key }, gone],
          });
        }
      } else if (kind === 'log') {
        entries.push(String(value));
        told.push({ entry: [keyless(second, 'insert', entry(String(value)))] });
      } else if (kind === 'unlog' && entries.length > 0) {
        const [gone] = entries.splice(chance % entries.length, 1);
        told.push({ entry: [keyless(second, 'delete', entry(gone!))] });
      }
    }
    return told;
  });

const entry = (n: string): Row => ({ n, name: n === '3' ? 'null' : '"x"' });

const together = (told: readonly Told[]): Required<Told> => ({
  item: told.flatMap(({ item = [] }) => item),
  entry: told.flatMap((each) => each.entry ?? []),
});

describe('the applier', () => {
  test('leaves what a slot told of one by one, folded or by time, cut anywhere', async () => {
    await using fixture = await postgresFixture();
    const { target } = fixture;
    const schemas = ['folded', 'stepped', 'single'];
    for (const schema of schemas) {
      await fixture.sql(
        `create schema ${schema}
         create table item (id int8 primary key, a text default 'da', b text, c text default 'dc')
         create table entry (n int8, name text)`,
      );
    }
    const [folded, stepped, single] = schemas.map((schema) => ({
      target,
      schema: schemaName([fixture.database.name, schema]),
    }));
    await fc.assert(
      fc.asyncProperty(slotHistory, fc.nat(25), async (told, cut) => {
        const first = together(told.slice(0, cut));
        const second = together(told.slice(cut));
        for (const schema of schemas) {
          await fixture.sql(`truncate ${schema}.item, ${schema}.entry`);
          await fixture.sql(
            `insert into ${schema}.item values (1, 'x', 'x', 'x'), (2, 'y', 'y', 'y')`,
          );
          await fixture.sql(
            `insert into ${schema}.entry values (0, 'x'), (0, 'x')`,
          );
        }
        await applyTo(folded!, { ...first });
        await applyTo(folded!, { ...second });
        await applyTo(
          stepped!,
          { ...together(told) },
          { collapse: false, order: 'deletes-first' },
        );
        for (const { item, entry: entries } of told) {
          await applyTo(single!, item ? { item } : { entry: entries! });
        }
        const tables = await Promise.all(
          schemas.map(async (schema) => [
            await fixture.rows(`select * from ${schema}.item order by id`),
            await fixture.rows(`select * from ${schema}.entry order by n`),
          ]),
        );
        expect(tables[0]).toEqual(tables[2]);
        expect(tables[1]).toEqual(tables[2]);
      }),
      { numRuns: 40 },
    );
  });

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

  test('stops between statements when aborted', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const applier = createApplier({ collapse: true });
    await using transaction = await fixture.target.begin();
    await expect(
      applier.apply(
        [{ table, mutations: [row(3, [4], { id: '4' })] }],
        transaction,
        AbortSignal.abort(),
      ),
    ).rejects.toMatchObject({ name: 'AbortError' });
  });
});
