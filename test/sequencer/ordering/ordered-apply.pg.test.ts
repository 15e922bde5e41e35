/** Batches side by side in real transactions; what they wait for is held here. */
import { expect, test } from 'vitest';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import { batchOf, gate, scene } from './ordered-scene.ts';

test('a batch that has to wait for an elder does not keep those behind it from beginning', async () => {
  const third = gate();
  await using stage = await scene(
    'create table t (id int primary key, v int)',
    async (number) => {
      if (number === 1) {
        await third.opened;
      }
      if (number === 3) {
        third.open();
      }
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[1, { v: 2 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[2, { v: 3 }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(stage.gaveWay).toEqual([]);
  expect(await stage.rows('select * from t order by id')).toEqual([
    { id: 1, v: 2 },
    { id: 2, v: 3 },
  ]);
});

test('children of one parent are written side by side, and behind the parent', async () => {
  const last = gate();
  await using stage = await scene(
    `create table parent (id int primary key);
     create table child (id int primary key, p int not null references parent)`,
    async (number, _attempt, { committed }) => {
      if (number > 1) {
        expect(committed).toContain(1);
      }
      if (number === 2) {
        await last.opened;
      }
      if (number === 3) {
        last.open();
      }
    },
  );
  await stage.apply.submit(batchOf(1, { parent: [[7, {}]] }));
  await stage.apply.submit(batchOf(2, { child: [[1, { p: 7 }]] }));
  await stage.apply.submit(batchOf(3, { child: [[2, { p: 7 }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(stage.gaveWay).toEqual([]);
});

test('a unique value that an elder batch gives up is taken by a younger one that came too early', async () => {
  const refused = gate();
  await using stage = await scene(
    `create table u (id int primary key, email text unique);
     insert into u values (1, 'a')`,
    async (number) => {
      if (number === 1) {
        await refused.opened;
      }
    },
    { onGaveWay: () => refused.open() },
  );
  await stage.apply.submit(batchOf(1, { u: [[1, { email: 'b' }]] }));
  await stage.apply.submit(batchOf(2, { u: [[2, { email: 'a' }]] }));
  await stage.apply.submit(batchOf(3, { u: [[3, { email: 'c' }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(await stage.rows('select * from u order by id')).toEqual([
    { id: 1, email: 'b' },
    { id: 2, email: 'a' },
    { id: 3, email: 'c' },
  ]);
});

test('batches that have met take coarse locks from then on', async () => {
  const refused = gate();
  const held = gate();
  let beganBeside = false;
  await using stage = await scene(
    `create table u (id int primary key, email text unique);
     insert into u values (1, 'a')`,
    async (number, _attempt, { committed }) => {
      if (number === 1) {
        await refused.opened;
      }
      if (number === 4) {
        beganBeside = !committed.includes(3);
        held.open();
      }
    },
    { onGaveWay: () => refused.open() },
  );
  await stage.apply.submit(batchOf(1, { u: [[1, { email: 'b' }]] }));
  await stage.apply.submit(batchOf(2, { u: [[2, { email: 'a' }]] }));
  await refused.opened;
  await stage.apply.submit(batchOf(3, { u: [[3, { email: 'c' }]] }));
  await stage.apply.submit(batchOf(4, { u: [[4, { email: 'd' }]] }));
  await held.opened;
  await stage.apply.drain();
  expect(beganBeside).toBe(false);
  expect(stage.committed).toEqual([1, 2, 3, 4]);
});

test('a batch that fails behind its elders too ends the run, with all of them committed and none of those behind it', async () => {
  const attempts: number[] = [];
  await using stage = await scene(
    'create table t (id int primary key, v int check (v < 10))',
    async (number, attempt) => {
      if (number === 2) {
        attempts.push(attempt);
      }
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[2, { v: 20 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[3, { v: 3 }]] }));
  await expect(stage.apply.drain()).rejects.toMatchObject({ code: 'E4005' });
  expect(stage.apply.failedThrough).toBe(timestampFromMs(2));
  expect(stage.committed).toEqual([1]);
  expect(attempts.length).toBeLessThanOrEqual(2);
  await expect(
    stage.apply.submit(batchOf(4, { t: [[4, { v: 4 }]] })),
  ).rejects.toMatchObject({ code: 'E4005' });
  expect(await stage.rows('select id from t')).toEqual([{ id: 1 }]);
});
