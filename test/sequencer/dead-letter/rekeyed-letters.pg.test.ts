/** The primary key of a target table changes while rows of it are set aside. */
import { expect, test } from 'vitest';
import type {
  JsonText,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import {
  groupLetters,
  retryLetters,
} from '../../../src/sequencer/dead-letter/retry-letters.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  dlqTable,
  lettersInShort,
  lettersOf,
} from '../../support/dead-letter-hand.ts';
import {
  applied,
  at,
  rowsOf,
  send,
  status,
  until,
} from '../../support/fed-house.ts';
import { testHouse, type TestHouse } from '../../support/house.ts';

function version(
  step: number,
  a: number,
  b: number,
  v: number,
): TableMutations {
  return {
    table: 't',
    keyColumns: ['a', 'b'],
    mutations: [
      {
        time: at(step),
        key: `[${a},${b}]` as JsonText,
        after: JSON.stringify({ a, b, v }) as JsonText,
        before: null,
      },
    ],
  };
}

const create =
  'create table t (a int, b int, v int check (v < 100), constraint k primary key (a, b))';
const turn =
  'alter table t drop constraint k, add constraint k primary key (b, a)';
const turnBack =
  'alter table t drop constraint k, add constraint k primary key (a, b)';

async function retryAll(house: TestHouse): Promise<void> {
  const outcomes = await retryLetters(groupLetters(await lettersOf(house)), {
    target: house.target,
    schema: house.schema,
    shape: (await house.target.introspect(house.schema))!,
    tableName: dlqTable,
    applier: createApplier({ collapse: true }),
    signal: new AbortController().signal,
  });
  expect(outcomes.map(({ failure }) => failure)).toEqual([null]);
}

async function setOneAside(house: TestHouse): Promise<void> {
  await house.database.query(create);
  await send(house, [version(1, 2, 1, 1), version(1, 1, 2, 500)], 1);
  await until(async () => (await lettersInShort(house)).length === 1);
}

test('in consistent mode what comes to the table waits until its letters have been retried, and no older version comes back', async () => {
  await using house = await testHouse({
    sequencer: { onRowError: 'deadLetter' },
  });
  await setOneAside(house);
  await house.database.query(turn);
  await house.restart();
  // Under the new key each of them has the text that the other one had.
  await send(house, [version(2, 1, 2, 2), version(2, 2, 1, 2)], 2);
  await until(() => status(house).lastError?.code === 'E4018');
  expect(status(house).lastError!.message).toContain('keyed by (a, b)');
  expect(await lettersInShort(house)).toHaveLength(1);
  await house.database.query('alter table t drop constraint t_v_check');
  await retryAll(house);
  await applied(house, 2);
  expect(await rowsOf(house, 'select a, b, v from t order by a')).toEqual([
    '1 2 2',
    '2 1 2',
  ]);
  expect(await lettersInShort(house)).toEqual([]);
});

test('in consistent mode the daemon goes on once the table has its key back, and closes the letter of the row that came', async () => {
  await using house = await testHouse({
    sequencer: { onRowError: 'deadLetter' },
  });
  await setOneAside(house);
  await house.database.query(turn);
  await house.restart();
  await send(house, [version(2, 2, 1, 2)], 2);
  await until(() => status(house).lastError?.code === 'E4018');
  await house.database.query(turnBack);
  await applied(house, 2);
  expect(await lettersInShort(house)).toHaveLength(1);
  await send(house, [version(3, 1, 2, 3)], 3);
  await applied(house, 3);
  expect(await lettersInShort(house)).toEqual([]);
});

test.for(['started again', 'going on'])(
  'in immediate mode, %s, versions of the table are refused until its letters have been retried, and others are not',
  async (how) => {
    await using house = await testHouse({
      mode: 'immediate',
      sequencer: { onRowError: 'deadLetter' },
    });
    await house.database.query('create table u (id int primary key)');
    await setOneAside(house);
    await house.database.query(turn);
    if (how === 'started again') {
      await house.restart();
    } else {
      // Asks for the shape anew.
      await house.database.query('drop table u');
      await expect(
        send(house, [
          {
            table: 'u',
            mutations: [
              {
                time: at(2),
                key: '[1]' as JsonText,
                after: '{"id":1}' as JsonText,
                before: null,
              },
            ],
          },
        ]),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^E4/) as string });
      await until(async () => {
        const failure = await send(house, [version(2, 7, 8, 2)]).then(
          () => null,
          (error: unknown) => error as { code: string },
        );
        return failure?.code === 'E4018';
      });
    }
    await expect(send(house, [version(2, 1, 2, 2)])).rejects.toMatchObject({
      code: 'E4018',
    });
    await expect(send(house, [version(2, 2, 1, 2)])).rejects.toMatchObject({
      code: 'E4018',
    });
    expect(await lettersInShort(house)).toHaveLength(1);
    await house.database.query('alter table t drop constraint t_v_check');
    await retryAll(house);
    await send(house, [version(2, 1, 2, 2), version(2, 2, 1, 2)], 2);
    expect(
      await rowsOf(house, 'select a, b, v from t where a < 7 order by a'),
    ).toEqual(['1 2 2', '2 1 2']);
    expect(await lettersInShort(house)).toEqual([]);
  },
);
