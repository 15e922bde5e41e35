/** Rows of an added table that come late, twice and in any order, in each mode. */
import { expect, test } from 'vitest';

import type { PipelineOptions } from '../../src/pipeline/pipeline-options.ts';
import { applied, row, rowsOf, send, until } from '../support/fed-house.ts';
import { testHouse } from '../support/house.ts';

const modes: readonly Partial<PipelineOptions>[] = [
  { mode: 'consistent' },
  {
    mode: 'consistent',
    bestEffort: { only: true, windowMs: 0, maxKeys: 99, nowMs: Date.now },
  },
  { mode: 'immediate' },
];

test.for(
  modes.flatMap((first) => modes.map((second) => [first, second] as const)),
)(
  'of rows at or before what was resolved when their table was seen first the newest stays: $0 and then $1',
  async ([first, second]) => {
    await using house = await testHouse();
    await house.database.query(`
      create table t (id int primary key, v int);
      create table p (id int primary key, v int);
      create table seen (place serial, id int, v int);
      create function note() returns trigger language plpgsql as
        $$ begin insert into seen (id, v) values (new.id, new.v); return null; end $$;
      create trigger note after insert or update on t
        for each row execute function note()`);
    await send(house, [row('p', 1, 1, { v: 1 })], 10);
    await applied(house, 10);
    await house.restart(first);
    const version = (step: number, id: number): ReturnType<typeof row> =>
      row('t', step, id, { v: step });
    const early = [version(7, 1), version(5, 1), version(3, 2)];
    await send(house, early);
    if (first.mode === 'immediate' || first.bestEffort) {
      await until(
        async () => (await rowsOf(house, 'select * from t')).length === 2,
      );
    }
    await house.restart(second);
    const late = [version(6, 1), version(7, 1), version(4, 2), version(3, 2)];
    await send(house, [...late, row('t', 8, 3, null), version(2, 3)]);
    await send(house, [], 20);
    await applied(house, 20);
    expect(await rowsOf(house, 'select * from t order by id')).toEqual([
      '1 7',
      '2 4',
    ]);
    for (const id of [1, 2]) {
      const seen = await rowsOf(
        house,
        `select v from seen where id = ${id} order by place`,
      );
      const versions = seen.map(Number);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    }
  },
);

test('a scan that does not fit into memory, and versions of its rows among it, end as the newest ones', async () => {
  await using house = await testHouse({
    sequencer: { scanSize: 20, flushSize: 10, readBudgetBytes: 2_000 },
  });
  await house.database.query(`
    create table p (id int primary key, v int);
    create table t (id int primary key, v int, p int references p)`);
  await send(house, [row('p', 1, 1, { v: 1 })], 10);
  await applied(house, 10);
  const feed = (await house.pipelines.open(house.schema))!;
  const ids = Array.from({ length: 60 }, (_, id) => id);
  const scan = (step: number, of: readonly number[]): Promise<void> =>
    feed.accept([
      {
        table: 't',
        mutations: of.flatMap(
          (id) =>
            row('t', step, id, id % 7 === step ? null : { v: step, p: 1 })
              .mutations,
        ),
      },
    ]);
  const [even, odd] = [0, 1].map((rest) => ids.filter((id) => id % 2 === rest));
  await scan(6, ids);
  await scan(9, even!);
  await scan(3, odd!);
  await scan(6, odd!);
  await send(house, [], 20);
  await applied(house, 20);
  const wanted = ids
    .filter((id) => id % 2 === 0 || id % 7 !== 6)
    .map((id) => `${id} ${id % 2 === 0 ? 9 : 6}`);
  expect(await rowsOf(house, 'select id, v from t order by id')).toEqual(
    wanted,
  );
});

test('in immediate mode an older version from the same scan does not bring a row back that was set aside, a newer one does', async () => {
  await using house = await testHouse({
    mode: 'immediate',
    sequencer: { onRowError: 'deadLetter' },
  });
  await house.database.query(`
    create table p (id int primary key, v int);
    create table t (id int primary key, v int check (v <> 7))`);
  const { dlqTableName } = house.house.options.sequencer;
  const letters = (): Promise<number> =>
    house.target.deadLetters(house.schema, dlqTableName).count({});
  const version = (step: number): ReturnType<typeof row> =>
    row('t', step, 1, { v: step });
  await send(house, [row('p', 1, 1, { v: 1 })], 10);
  await applied(house, 10);
  await send(house, [version(7), version(5), version(7)]);
  expect(await letters()).toBe(1);
  await house.restart();
  await send(house, [version(5), version(7), version(5)]);
  expect(await rowsOf(house, 'select v from t')).toEqual([]);
  expect(await letters()).toBe(1);
  await send(house, [version(8), version(5)], 20);
  await applied(house, 20);
  expect(await rowsOf(house, 'select v from t')).toEqual(['8']);
  expect(await letters()).toBe(0);
});
