import { expect, test } from 'vitest';

import { ReplicatorError } from '../../../src/failure/failure.ts';
import {
  applied,
  row,
  rowsOf,
  send,
  state,
  status,
} from '../../support/fed-house.ts';
import { testHouse, type TestHouse } from '../../support/house.ts';
import { wrapBegin, wrapMember } from '../wrapped-target.ts';

const deadLetter = { onRowError: 'deadLetter' } as const;
const limited =
  'create table t (id int primary key, v int check (v < 100), w int)';

async function lettersOf(house: TestHouse): Promise<string[]> {
  const letters = await house.target
    .deadLetters(house.schema, 'replicator_dlq')
    .list({}, 1_000, null);
  return letters.map(({ mutation }) => `${mutation.key} ${mutation.after}`);
}

test('in immediate mode a request with a bad row is answered once the row is set aside and the others are applied', async () => {
  await using house = await testHouse({
    mode: 'immediate',
    sequencer: deadLetter,
  });
  await house.database.query(limited);
  const [first, second, third] = [
    row('t', 1, 1, { v: 1, w: 1 }),
    row('t', 1, 2, { v: 500, w: 1 }),
    row('t', 1, 3, { v: 3, w: 1 }),
  ];
  await send(house, [
    {
      table: 't',
      mutations: [first, second, third].flatMap((part) => part!.mutations),
    },
  ]);
  expect(await lettersOf(house)).toEqual(['[2] {"id":2,"v":500,"w":1}']);
  expect(await rowsOf(house, 'select id from t order by id')).toEqual([
    '1',
    '3',
  ]);
  expect(status(house).complaint).toBeNull();
  // A sparse version follows, a whole one supersedes.
  await send(house, [row('t', 2, 2, { w: 2 })]);
  expect(await lettersOf(house)).toHaveLength(2);
  await send(house, [row('t', 3, 2, { v: 3, w: 3 })]);
  expect(await lettersOf(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from t where id = 2')).toEqual([
    '2 3 3',
  ]);
});

test('in immediate mode a row that is set aside is not brought back by what is older, through a restart', async () => {
  await using house = await testHouse({
    mode: 'immediate',
    sequencer: deadLetter,
  });
  await house.database.query(limited);
  await send(house, [row('t', 1, 1, { v: 1, w: 1 })]);
  await send(house, [row('t', 2, 1, { v: 500, w: 2 })]);
  await send(house, [row('t', 3, 1, { w: 3 })]);
  await house.restart();
  // The changefeed sends again what it does not know to be resolved.
  await send(house, [row('t', 1, 1, { v: 1, w: 1 })]);
  await send(house, [row('t', 2, 1, { v: 500, w: 2 })], 3);
  expect(await lettersOf(house)).toEqual([
    '[1] {"id":1,"v":500,"w":2}',
    '[1] {"id":1,"w":3}',
  ]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1 1']);
});

test.for(['and the daemon goes on', 'and the daemon is started again'])(
  'in immediate mode letters of a commit whose answer was lost are there once, %s',
  async (what) => {
    const lost: ('before' | 'after')[] = [];
    await using house = await testHouse({
      mode: 'immediate',
      sequencer: deadLetter,
      wrapTarget: (target) =>
        wrapBegin(target, async (signal) => {
          const transaction = await target.begin(signal);
          return wrapMember(transaction, 'commit', async (mark) => {
            const when = lost.shift();
            if (when !== 'before') {
              await transaction.commit(mark);
            }
            if (when) {
              throw new ReplicatorError('E4002');
            }
          });
        }),
    });
    await house.database.query(limited);
    await send(house, [row('t', 1, 1, { v: 1, w: 1 })]);
    const versions = [
      row('t', 2, 1, { v: 500, w: 2 }),
      row('t', 3, 1, { w: 3 }),
      row('t', 4, 1, { w: 4 }),
    ];
    for (const version of versions) {
      lost.push('before', 'after');
      while (lost.length > 0) {
        // Where it was started again, it may have gone through that at its start.
        await send(house, [version]).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'E4002' });
        });
        if (what.includes('again')) {
          await house.restart();
        }
      }
      await send(house, [version]);
    }
    expect(await lettersOf(house)).toEqual([
      '[1] {"id":1,"v":500,"w":2}',
      '[1] {"id":1,"w":3}',
      '[1] {"id":1,"w":4}',
    ]);
    expect(await rowsOf(house, 'select count(*) from replicator_dlq')).toEqual([
      '3',
    ]);
    await send(house, [row('t', 5, 1, { v: 5, w: 5 })]);
    expect(await lettersOf(house)).toEqual([]);
    expect(await rowsOf(house, 'select * from t')).toEqual(['1 5 5']);
  },
);

test('in immediate mode a child whose parent may yet come is not set aside', async () => {
  await using house = await testHouse({
    mode: 'immediate',
    sequencer: deadLetter,
  });
  await house.database.query(
    'create table p (id int primary key); create table c (id int primary key, p int references p)',
  );
  await house.restart({ immediateForeignKeys: true });
  await expect(send(house, [row('c', 1, 1, { p: 7 })])).rejects.toMatchObject({
    code: 'E4004',
  });
  await send(house, [row('p', 2, 7, {})]);
  await send(house, [row('c', 1, 1, { p: 7 })]);
  expect(await lettersOf(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from c')).toEqual(['1 7']);
});

test('with the policy halt a bad row in immediate mode is refused, and its sender keeps it', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(limited);
  await expect(
    send(house, [row('t', 1, 1, { v: 500, w: 1 })]),
  ).rejects.toMatchObject({ code: 'E4005', httpStatus: 503 });
  await house.database.query('alter table t drop constraint t_v_check');
  await send(house, [row('t', 1, 1, { v: 500, w: 1 })]);
  expect(await rowsOf(house, 'select v from t')).toEqual(['500']);
  await state(house, 'running');
});

test('what consistent mode had staged is gone through by immediate mode, with bad rows set aside', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    `${limited}; create table c (id int primary key, t int references t)`,
  );
  await send(house, [
    row('t', 1, 1, { v: 1, w: 1 }),
    row('t', 2, 2, { v: 500, w: 1 }),
    row('c', 2, 5, { t: 2 }),
    row('c', 2, 6, { t: 1 }),
  ]);
  await house.restart({ mode: 'immediate', immediateForeignKeys: true });
  await send(house, [row('t', 3, 3, { v: 3, w: 3 })], 3);
  await applied(house, 3);
  expect((await lettersOf(house)).toSorted()).toEqual([
    '[2] {"id":2,"v":500,"w":1}',
    '[5] {"id":5,"t":2}',
  ]);
  expect(await rowsOf(house, 'select id from t order by id')).toEqual([
    '1',
    '3',
  ]);
  expect(await rowsOf(house, 'select id from c')).toEqual(['6']);
});
