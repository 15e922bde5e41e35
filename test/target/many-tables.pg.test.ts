/** Batches of so many tables that their statements go ahead of their answers. */
import { expect, test } from 'vitest';
import type { Mutation } from '../../src/mutation/mutation.ts';
import { createApplier } from '../../src/target/applier.ts';
import { failureOf, row, shapeOf } from '../contract/target-fixture.ts';
import { postgresFixture } from './postgres/fixture.ts';

const tableCount = 20;

test.for([3, 250])(
  'rows of twenty tables, each of which refers to the one before, come, are refused and go, %i each',
  async (rowCount) => {
    await using fixture = await postgresFixture();
    const names = Array.from({ length: tableCount }, (_, at) => `t${at}`);
    for (const [at, name] of names.entries()) {
      await fixture.sql(
        `create table ${name} (id bigint primary key, p bigint, v bigint unique${at === 0 ? '' : `, foreign key (p) references ${names[at - 1]} (id)`})`,
      );
    }
    const { tables } = await shapeOf(fixture);
    const applier = createApplier({ collapse: true });
    const apply = async (
      mutationsOf: (at: number) => readonly Mutation[],
    ): Promise<void> => {
      await using transaction = await fixture.target.begin();
      await applier.apply(
        names.map((name, at) => ({
          table: tables.get(name)!,
          mutations: mutationsOf(at),
        })),
        transaction,
        new AbortController().signal,
      );
      await transaction.commit(null);
    };
    const ids = Array.from({ length: rowCount }, (_, id) => id + 1);
    const counts = async (): Promise<unknown> =>
      (
        await fixture.rows(
          names
            .map((name) => `select count(*), sum(v) from ${name}`)
            .join(' union all '),
        )
      ).flat();
    const written =
      (version: number, first: number, bad = -1) =>
      (at: number): Mutation[] =>
        ids.map((id) => {
          const key = first + id;
          return row(version, [key], {
            id: `${key}`,
            p: at === 0 ? 'null' : `${key}`,
            v: `${at === bad && id === rowCount ? first + 1 : key}`,
          });
        });
    // Until rows of these tables are guessed to be new, where they are many.
    for (const first of [10_000, 20_000, 30_000, 40_000]) {
      await apply(written(1, first));
      await apply(() => ids.map((id) => row(1, [first + id], null)));
    }
    const sum = (rowCount * (rowCount + 1)) / 2;
    const all = names.flatMap(() => [String(rowCount), String(sum)]);
    await apply(written(1, 0));
    expect(await counts()).toEqual(all);
    for (const bad of [0, 3, 19]) {
      const failure = await failureOf(apply(written(2, 1_000, bad)));
      expect(failure.code).toBe('E4013');
      expect(await counts()).toEqual(all);
    }
    await apply((at) => [
      ...ids.map((id) => row(3, [id], null)),
      ...written(3, 2_000)(at),
    ]);
    expect(await counts()).toEqual(
      names.flatMap(() => [String(rowCount), String(sum + 2_000 * rowCount)]),
    );
  },
);
