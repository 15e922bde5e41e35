import { expect, test } from 'vitest';

import { openStage, row, type Stage } from '../support/stage.ts';
import { lockTable } from './table-lock.ts';

/** Each write of a row of `t` is noted, in the order of the commits of a row. */
const tables = `
  create table t (id int primary key, v int);
  create table u (id int primary key);
  create table w (id int primary key);
  create table writes (place serial primary key, id int, v int);
  create function note() returns trigger language plpgsql as
    $$ begin insert into writes (id, v) values (new.id, new.v); return new; end $$;
  create trigger noted after insert or update on t
    for each row execute function note()`;

/** One source transaction a batch, so that each version would be seen. */
const eachAlone = ['--flushSize=1', '--timestampLimit=1'];
const immediate = [...eachAlone, '--immediate', '--httpResponseTimeout=2s'];

/** What consistent mode has acknowledged, and nothing has resolved. */
async function stageVersions(stage: Stage): Promise<void> {
  await stage.start(eachAlone);
  const requests = [
    [row('t', 1, [1], { id: 1, v: 1 }), row('t', 2, [2], { id: 2, v: 1 })],
    [row('t', 3, [1], { id: 1, v: 2 }), row('t', 4, [2], { id: 2, v: 2 })],
    [row('u', 5, [1], { id: 1 })],
    [row('t', 6, [1], { id: 1, v: 3 })],
  ];
  for (const rows of requests) {
    expect((await stage.rows(...rows)).status).toBe(200);
  }
  await stage.kill();
}

/** Immediate mode is killed when recovery has come so far. */
const steps = {
  async 'before the first row'(stage: Stage): Promise<void> {
    await using lock = await lockTable(stage.database.url, 't');
    await stage.start(immediate);
    await lock.isWaitedFor();
    await stage.kill();
  },
  async 'between two rows'(stage: Stage): Promise<void> {
    await using lock = await lockTable(stage.database.url, 'u');
    await stage.start(immediate);
    await lock.isWaitedFor();
    const { rows } = await stage.database.query('select id, v from t');
    expect(rows).toEqual([{ id: 2, v: 2 }]);
    await stage.kill();
  },
  async 'behind the last row'(stage: Stage): Promise<void> {
    await stage.start(immediate);
    await expect
      .poll(async () => (await stage.database.query('select from t')).rowCount)
      .toBe(2);
    await stage.kill();
  },
  async 'after it has taken rows'(stage: Stage): Promise<void> {
    await stage.start(immediate);
    const newer = row('t', 7, [2], { id: 2, v: 3 });
    await expect.poll(async () => (await stage.rows(newer)).status).toBe(200);
    await stage.kill();
  },
};

const nextModes = [
  [],
  ['--bestEffortOnly'],
  ['--bestEffortWindow=1ms'],
  ['--immediate'],
];

test.for(
  Object.keys(steps).flatMap((step) =>
    nextModes.map((mode) => [step as keyof typeof steps, mode] as const),
  ),
)(
  'immediate mode that was killed %s of its first recovery leaves nothing that a start with %j would turn back',
  async ([step, mode]) => {
    await using stage = await openStage(tables);
    await stageVersions(stage);
    await steps[step](stage);
    await stage.start([...eachAlone, ...mode]);
    await expect.poll(async () => (await stage.resolve(10)).status).toBe(200);
    const last = row('w', 20, [1], { id: 1 });
    await expect.poll(async () => (await stage.rows(last)).status).toBe(200);
    expect((await stage.resolve(30)).status).toBe(200);
    const count = async (table: string): Promise<number | null> =>
      (await stage.database.query(`select from ${table}`)).rowCount;
    await expect.poll(() => count('w')).toBe(1);
    await expect.poll(() => count('u')).toBe(1);
    const { rows } = await stage.database.query<{ id: number; v: number }>(
      'select id, v from writes order by place',
    );
    const newest = { 1: 3, 2: step === 'after it has taken rows' ? 3 : 2 };
    for (const id of [1, 2] as const) {
      const versions = rows.filter((each) => each.id === id).map(({ v }) => v);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      expect(versions.at(-1)).toBe(newest[id]);
    }
  },
);
