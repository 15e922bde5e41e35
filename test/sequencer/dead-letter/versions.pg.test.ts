/** Several versions of one row, of which some can never go, without their transactions. */
import { expect, test } from 'vitest';

import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { nextTimestamp } from '../../../src/mutation/timestamp.ts';
import { pipelineObserver } from '../../../src/pipeline/watching/observer.ts';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { DeadLetterDesk } from '../../../src/sequencer/dead-letter/desk.ts';
import { takeRowsApart } from '../../../src/sequencer/dead-letter/lone-rows.ts';
import {
  joinedBatch,
  tablesInShape,
} from '../../../src/sequencer/reading/batch-tables.ts';
import type { SequencerContext } from '../../../src/sequencer/sequencer.ts';
import { createApplier } from '../../../src/target/applier.ts';
import { at, row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse, type TestHouse } from '../../support/house.ts';

const deadLetter = { onRowError: 'deadLetter' } as const;
const limited = 'create table t (id int primary key, v int check (v < 100))';
const { signal } = new AbortController();

function ofOneRequest(...parts: readonly TableMutations[]): TableMutations {
  return { table: 't', mutations: parts.flatMap((part) => part.mutations) };
}

async function lettersOf(house: TestHouse): Promise<string[]> {
  const letters = await house.target
    .deadLetters(house.schema, 'replicator_dlq')
    .list({}, 1_000, null);
  return letters.map(({ mutation }) => `${mutation.key} ${mutation.after}`);
}

test.for([
  ['both bad', 500, 600, ['[1] {"id":1,"v":600}'], []],
  ['the newer one bad', 5, 600, ['[1] {"id":1,"v":600}'], []],
  ['the older one bad', 500, 6, [], ['1 6']],
] as const)(
  'in immediate mode of versions that come in one request, the newer one first, the newer one counts: %s',
  async ([, older, newer, letters, rows]) => {
    await using house = await testHouse({
      mode: 'immediate',
      sequencer: deadLetter,
    });
    await house.database.query(limited);
    await send(house, [
      ofOneRequest(
        row('t', 6, 1, { v: newer }),
        row('t', 5, 1, { v: older }),
        row('t', 5, 2, { v: 2 }),
      ),
    ]);
    expect(await lettersOf(house)).toEqual(letters);
    expect(await rowsOf(house, 'select * from t order by id')).toEqual([
      ...rows,
      '2 2',
    ]);
  },
);

/** As a scan brings it that began behind step 10: it takes effect then. */
function scanned(step: number, v: number): TableMutations {
  const { mutations } = row('t', step, 1, { v });
  return {
    table: 't',
    mutations: mutations.map((mutation) => ({
      ...mutation,
      time: nextTimestamp(at(10)),
      cameAt: at(step),
    })),
  };
}

/** What immediate mode does with requests, step by step. */
async function deskOf(house: TestHouse): Promise<{
  readonly find: (part: TableMutations) => Promise<void>;
  /** `isKnown`: the guard leaves the rows out. */
  readonly apply: (part: TableMutations, isKnown?: 'known') => Promise<void>;
  readonly drop: (part: TableMutations) => void;
}> {
  const pipeline = (await house.pipelines.open(house.schema))!;
  const { target, store, schema } = house;
  const { metrics, logger, options } = house.house;
  const context: SequencerContext = {
    schema,
    store,
    target,
    options: options.sequencer,
    observer: pipelineObserver(
      schema,
      new PipelineStatus(),
      metrics,
      logger,
      options.sequencer.flushSize,
    ),
    claim: () => Promise.reject(new Error('not here')),
    shape: () => pipeline.shape(),
    refreshShape: () => Promise.resolve(),
  };
  const desk = new DeadLetterDesk(context, false);
  await desk.load(signal);
  const applier = desk.applier(
    createApplier({ collapse: true, ignoreUnknownColumns: false }),
  );
  return {
    find: (part) =>
      takeRowsApart(context, desk, [part], { mayWait: true }, signal),
    apply: async (part, isKnown) => {
      await using transaction = await target.begin(signal);
      const tables = tablesInShape([part], pipeline.shape());
      desk.beginAnew(tables);
      await applier.apply(isKnown ? [] : tables, transaction, signal);
      await transaction.commit(null);
      desk.committed(joinedBatch([part]));
    },
    drop: (part) => desk.dropAll([part]),
  };
}

test('what was found about a version does not swallow a later one that takes effect at the same time', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(limited);
  const { find, apply } = await deskOf(house);
  const bad = scanned(5, 500);
  await find(bad);
  // Another request, whose transaction was waiting meanwhile.
  await apply(scanned(7, 7));
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 7']);
  expect(await lettersOf(house)).toEqual([]);
  await apply(scanned(8, 8));
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 8']);
});

test('a version that can never go is set aside though a later one of the same time was found bad too', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(limited);
  const { find, apply, drop } = await deskOf(house);
  const [older, newer] = [scanned(5, 500), scanned(7, 700)];
  await find(older);
  await find(newer);
  await apply(newer);
  drop(newer);
  expect(await lettersOf(house)).toEqual(['[1] {"id":1,"v":700}']);
  await apply(older);
  expect(await lettersOf(house)).toEqual(['[1] {"id":1,"v":700}']);
  expect(await rowsOf(house, 'select * from t')).toEqual([]);
});

test('requests of one time keep what was found about their rows when another one of them ends', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(limited);
  const { find, apply, drop } = await deskOf(house);
  const [one, other] = [
    row('t', 5, 1, { v: 500 }),
    row('t', 5, 2, { v: 600 }),
  ] as const;
  await find(one);
  await find(other);
  await apply(one);
  drop(one);
  await apply(other);
  drop(other);
  expect(await lettersOf(house)).toEqual([
    '[1] {"id":1,"v":500}',
    '[2] {"id":2,"v":600}',
  ]);
});

test('what a transaction did to letters that was rolled back is not taken for true when its rows come again and are left out', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(limited);
  const { find, apply, drop } = await deskOf(house);
  const [other, bad, newer] = [
    row('t', 4, 2, { v: 400 }),
    row('t', 5, 1, { v: 500 }),
    row('t', 6, 1, { v: 600 }),
  ] as const;
  // The key is expected to have a letter, and has none.
  await find(bad);
  await expect(apply(ofOneRequest(bad, other))).rejects.toThrow(/t_v_check/);
  drop(bad);
  await expect(apply(bad)).rejects.toThrow(/t_v_check/);
  await find(newer);
  await apply(newer);
  await apply(bad, 'known');
  expect(await lettersOf(house)).toEqual(['[1] {"id":1,"v":600}']);
  await apply(row('t', 7, 1, { v: 7 }));
  expect(await lettersOf(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 7']);
});
