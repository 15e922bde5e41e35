import { expect, test } from 'vitest';

import { createRandom } from '../../../src/workload/random.ts';
import { lettersOf, retryAll } from '../../support/dead-letter-hand.ts';
import { applied, send, state } from '../../support/fed-house.ts';
import { testHouse, type TestHouse } from '../../support/house.ts';
import { expectRows, type Row, Source } from './random-source.ts';

const setup = `
  create table plain (id int primary key, v int constraint small check (v < 100), name varchar(4));
  create table parent (id int primary key, v int constraint small_parent check (v < 100));
  create table child (id int primary key, parent int references parent, u text unique);
  insert into child values (1000, null, 'stranger0'), (1001, null, 'stranger1')`;

const mend = `
  alter table plain drop constraint small, alter name type text;
  alter table parent drop constraint small_parent;
  delete from child where id >= 1000`;

// Of these every kind of refusal leaves letters: E4004, E4005, E4006, E4013.
test.each([2, 7, 10, 27])(
  'random rows that the target refuses are set aside, and all is as at the source once they are retried (seed %i)',
  async (seed) => {
    await using house = await testHouse({
      sequencer: { onRowError: 'deadLetter', flushSize: 20 },
    });
    await house.database.query(setup);
    const random = createRandom(seed);
    const source = new Source(random);
    let step = 0;
    for (let round = 0; round < 8; round += 1) {
      const count = 1 + random.integer(8);
      const rows = source.transactions(step, count);
      step += count;
      await send(house, rows, step);
      if (random.chance(0.3)) {
        // At once, wherever it is: between trials, before a commit.
        await house.restart();
      }
      await applied(house, step);
      await expectKnown(house, source);
    }
    await state(house, 'running');
    await house.database.query(mend);
    await retryAll(house);
    await expectRows(house, source);
    expect(await lettersOf(house)).toEqual([]);
  },
);

/** Rows with letters may differ, and those have them that the target refuses. */
async function expectKnown(house: TestHouse, source: Source): Promise<void> {
  const letters = await lettersOf(house);
  const open = new Set(
    letters.map(({ table, mutation }) => `${table} ${mutation.key}`),
  );
  await expectRows(house, source, (table, id) => !open.has(`${table} [${id}]`));
  const isBad = ({ v, name }: Row): boolean =>
    Number(v) >= 100 || name === 'too long';
  for (const { table, mutation, code } of letters) {
    // A row that nothing speaks against is not set aside.
    if (table === 'plain' && (code === 'E4005' || code === 'E4006')) {
      const after = mutation.after && (JSON.parse(mutation.after) as Row);
      expect(after === null || isBad(after), mutation.key).toBe(true);
    }
  }
  const bad = [...source.plain].filter(([, each]) => isBad(each));
  expect(
    [...open].filter((name) => name.startsWith('plain ')).toSorted(),
  ).toEqual(bad.map(([id]) => `plain [${id}]`).toSorted());
}
