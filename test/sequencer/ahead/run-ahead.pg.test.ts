/** Meetings of what goes ahead and the sweep, one by one. */
import { expect, test } from 'vitest';
import type { PipelineOptions } from '../../../src/pipeline/pipeline-options.ts';
import type { PipelineMode } from '../../../src/pipeline/watching/status.ts';
import type { ShapeRows, Target } from '../../../src/target/target.ts';
import {
  applied,
  at,
  row,
  rowsOf,
  send,
  status,
  until,
} from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';
import { wrapBegin, wrapMember } from '../wrapped-target.ts';

type BestEffort = PipelineOptions['bestEffort'];

/** Holds up statements until they are let through; a cancelled one fails. */
class Gate {
  readonly #isHeld: (rows: ShapeRows) => boolean;
  readonly #open = Promise.withResolvers<void>();
  readonly reached = Promise.withResolvers<void>();

  constructor(isHeld: (rows: ShapeRows) => boolean) {
    this.#isHeld = isHeld;
  }

  open(): void {
    this.#open.resolve();
  }

  wrap(target: Target): Target {
    return wrapBegin(target, async (signal) => {
      const transaction = await target.begin(signal);
      return wrapMember(transaction, 'upsert', async (rows) => {
        if (this.#isHeld(rows)) {
          this.reached.resolve();
          const aborted = Promise.withResolvers<void>();
          const abort = (): void => aborted.reject(new Error('cancelled'));
          signal?.addEventListener('abort', abort, { once: true });
          await Promise.race([this.#open.promise, aborted.promise]);
        }
        await transaction.upsert(rows);
      });
    });
  }
}

const writes =
  (id: number, v: number) =>
  ({ columns, values }: ShapeRows): boolean => {
    const valuesOf = (name: string): readonly string[] =>
      values.texts[columns.findIndex((column) => column.name === name)] ?? [];
    return valuesOf('id').some(
      (text, index) =>
        text === String(id) && valuesOf('v')[index] === String(v),
    );
  };

const lastWord = (text: unknown): string => String(text).split(' ').at(-1)!;

async function openHouse(
  bestEffort: Partial<BestEffort>,
  gate?: Gate,
): Promise<TestHouse> {
  const house = await testHouse({
    bestEffort,
    ...(gate && { wrapTarget: (target) => gate.wrap(target) }),
  });
  await house.database.query(
    'create table t (id int primary key, v int); create table p (id int primary key, v int); create table c (id int primary key, v int, p int references p)',
  );
  return house;
}

const shown = (house: TestHouse): Promise<unknown[]> =>
  rowsOf(house, 'select id, v from t order by id');

function mode(house: TestHouse): PipelineMode {
  return status(house).mode;
}

test('rows of a table that stands alone arrive without a resolved timestamp, those of linked tables do not', async () => {
  await using house = await openHouse({ only: true });
  await send(house, [
    row('p', 1, 1, { v: 1 }),
    row('t', 1, 1, { v: 1 }),
    row('t', 2, 1, { v: 2 }),
    row('t', 3, 2, { v: 3 }),
    row('t', 4, 3, { v: 3 }),
    row('t', 5, 3, null),
  ]);
  await until(async () => (await shown(house)).join() === '1 2,2 3');
  expect(await rowsOf(house, 'select id from p')).toEqual([]);
  expect(mode(house)).toBe('best-effort');
  await send(house, [], 5);
  await applied(house, 5);
  expect(await rowsOf(house, 'select id from p')).toEqual(['1']);
  expect(await shown(house)).toEqual(['1 2', '2 3']);
});

test('a newer version waits while the sweep is about to write an older one', async () => {
  let isLagging = false;
  const gate = new Gate(writes(1, 3));
  await using house = await openHouse(
    { windowMs: 1_000, nowMs: () => (isLagging ? Date.now() : 0) },
    gate,
  );
  await send(house, [row('t', 3, 1, { v: 3 })], 3);
  await gate.reached.promise;
  isLagging = true;
  await send(house, [row('t', 7, 1, { v: 7 }), row('t', 7, 2, { v: 7 })]);
  // The row beside it goes ahead: what waits is this one alone.
  await until(async () => (await shown(house)).join() === '2 7');
  gate.open();
  await until(async () => (await shown(house)).join() === '1 7,2 7');
  await send(house, [], 7);
  await applied(house, 7);
  expect(await shown(house)).toEqual(['1 7', '2 7']);
});

test('what goes ahead and does not end gives way to the sweep', async () => {
  const gate = new Gate(writes(1, 7));
  await using house = await openHouse({ only: true }, gate);
  await send(house, [row('t', 3, 1, { v: 3 })]);
  await until(async () => (await shown(house)).join() === '1 3');
  await send(house, [row('t', 7, 1, { v: 7 })]);
  await gate.reached.promise;
  await send(house, [row('t', 5, 1, { v: 5 })], 5);
  await applied(house, 5);
  expect(await shown(house)).toEqual(['1 5']);
  gate.open();
  await until(async () => (await shown(house)).join() === '1 7');
});

test('rows of a sparse table wait for the sweep and are written over what went ahead', async () => {
  await using house = await openHouse({ only: true });
  await house.database.query(
    'create table s (id int primary key, v int, w int)',
  );
  await send(house, [
    row('s', 1, 1, { v: 1, w: 1 }),
    row('s', 2, 1, { v: 2 }),
    row('s', 3, 2, { v: 3 }),
    row('s', 4, 2, { v: 4, w: 4 }),
    row('t', 4, 1, { v: 4 }),
  ]);
  const rows = (): Promise<unknown[]> =>
    rowsOf(house, 'select id, v, w from s order by id');
  await until(async () => (await rows()).join() === '1 1 1,2 4 4');
  await send(house, [], 4);
  await applied(house, 4);
  expect(await rows()).toEqual(['1 2 1', '2 4 4']);
});

test('a sparse row that arrives while a start reads the log is not taken for all there is of its row', async () => {
  let isArmed = false;
  const sent = Promise.withResolvers<void>();
  await using house = await testHouse({
    bestEffort: { only: true },
    wrapStore: (store) =>
      wrapMember(store, 'read', async (schema, window, signal) => {
        if (isArmed && window.cursor !== null) {
          isArmed = false;
          // The first lies before what has been read, and the second behind it.
          await send(house, [row('s', 3, 3, { v: 3, w: 3 })]);
          await send(house, [row('s', 6, 3, { v: 6 })]);
          sent.resolve();
        }
        return store.read(schema, window, signal);
      }),
  });
  await house.database.query(
    'create table s (id int primary key, v int, w int)',
  );
  const rows = (): Promise<unknown[]> =>
    rowsOf(house, 'select id, v, w from s order by id');
  await send(house, [
    row('s', 1, 1, { v: 1, w: 1 }),
    row('s', 5, 2, { v: 5, w: 5 }),
    row('s', 6, 2, { v: 6 }),
  ]);
  await until(async () => (await rows()).join() === '1 1 1,2 5 5');
  isArmed = true;
  await house.restart();
  await sent.promise;
  await send(house, [], 6);
  await applied(house, 6);
  expect(await rows()).toEqual(['1 1 1', '2 6 5', '3 6 3']);
});

test('a row that the target refuses is left to the sweep, and those beside it go ahead', async () => {
  await using house = await openHouse({ only: true });
  await house.database.query('alter table t add check (v < 10)');
  const feed = (await house.pipelines.open(house.schema))!;
  await feed.accept([
    {
      table: 't',
      mutations: [1, 2, 30, 4, 5].flatMap(
        (v, id) => row('t', 1, id, { v }).mutations,
      ),
    },
  ]);
  await until(async () => (await shown(house)).join() === '0 1,1 2,3 4,4 5');
  expect(status(house).state).toBe('running');
  // A newer version goes ahead, and the refused one is passed over.
  await send(house, [row('t', 2, 2, { v: 3 })]);
  await until(async () => (await shown(house)).length === 5);
  await send(house, [], 2);
  await applied(house, 2);
  expect(await shown(house)).toEqual(['0 1', '1 2', '2 3', '3 4', '4 5']);
});

test('a row with a dead letter waits for the sweep, which supersedes the letter, and goes ahead again', async () => {
  await using house = await testHouse({
    bestEffort: { only: true },
    sequencer: { onRowError: 'deadLetter' },
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 10))',
  );
  const { dlqTableName } = house.house.options.sequencer;
  const openCount = (): Promise<number> =>
    house.target.deadLetters(house.schema, dlqTableName).count({});
  await send(house, [row('t', 1, 1, { v: 30 }), row('t', 1, 2, { v: 1 })], 1);
  await applied(house, 1);
  expect(await openCount()).toBe(1);
  await send(house, [row('t', 2, 1, { v: 2 }), row('t', 2, 2, { v: 2 })]);
  // The row beside it has gone: had this one been free, it would have too.
  await until(async () => (await shown(house)).join() === '2 2');
  await send(house, [], 2);
  await applied(house, 2);
  expect(await shown(house)).toEqual(['1 2', '2 2']);
  expect(await openCount()).toBe(0);
  await send(house, [row('t', 3, 1, { v: 3 })]);
  await until(async () => (await shown(house)).join() === '1 3,2 2');
});

test('with a full memory rows wait for the sweep, and go ahead again when it has passed', async () => {
  await using house = await openHouse({ only: true, maxKeys: 20 });
  const ids = Array.from({ length: 60 }, (_, index) => index + 1);
  const feed = (await house.pipelines.open(house.schema))!;
  for (const id of ids) {
    await feed.accept([row('t', id, id, { v: id })]);
  }
  await until(async () => (await shown(house)).length >= 10);
  await send(house, [row('p', 61, 1, { v: 1 })], 30);
  await applied(house, 30);
  expect((await shown(house)).length).toBeLessThanOrEqual(50);
  await until(async () => (await shown(house)).length >= 40);
  await send(house, [], 61);
  await applied(house, 61);
  expect(await shown(house)).toHaveLength(60);
});

test('a foreign key that comes later keeps further rows from going ahead', async () => {
  await using house = await openHouse({ only: true });
  await send(house, [row('t', 1, 1, { v: 1 })]);
  await until(async () => (await shown(house)).join() === '1 1');
  await house.database.query('alter table p add column t int references t');
  const feed = (await house.pipelines.open(house.schema))!;
  await feed.refreshShape();
  await send(house, [row('t', 2, 1, { v: 2 }), row('t', 3, 1, { v: 3 })], 1);
  await applied(house, 1);
  expect(await shown(house)).toEqual(['1 1']);
  await send(house, [], 3);
  await applied(house, 3);
  expect(await shown(house)).toEqual(['1 3']);
});

test.each(['consistent', 'immediate'] as const)(
  'a daemon in plain %s mode keeps what went ahead before it',
  async (next) => {
    await using house = await openHouse({ only: true });
    await house.database.query(
      "drop table c, p; create table seen (n serial, v int); create function note() returns trigger language plpgsql as 'begin insert into seen (v) values (new.v); return null; end'; create trigger note after insert or update on t for each row execute function note()",
    );
    await send(house, [row('t', 1, 1, { v: 1 })], 1);
    await applied(house, 1);
    await send(house, [row('t', 2, 1, { v: 2 }), row('t', 9, 1, { v: 9 })]);
    await until(async () => (await shown(house)).join() === '1 9');
    await house.restart({
      mode: next,
      bestEffort: { only: false, windowMs: 0, maxKeys: 9, nowMs: Date.now },
    });
    await send(house, [row('t', 5, 1, { v: 5 })], 5);
    await applied(house, 5);
    expect(await shown(house)).toEqual(['1 9']);
    await send(house, [], 9);
    await applied(house, 9);
    expect(await shown(house)).toEqual(['1 9']);
    expect(
      await rowsOf(house, 'select count(*) from seen where v = 5'),
    ).toEqual(['0']);
  },
);

test('what immediate mode has applied beyond the watermark is not set back by best effort', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(
    "create table t (id int primary key, v int); create table seen (n serial, v int); create function note() returns trigger language plpgsql as 'begin insert into seen (v) values (new.v); return null; end'; create trigger note after insert or update on t for each row execute function note()",
  );
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await send(house, [row('t', 2, 1, { v: 2 }), row('t', 9, 1, { v: 9 })]);
  expect(await shown(house)).toEqual(['1 9']);
  await house.pipelines[Symbol.asyncDispose]();
  // Recorded, and killed before it was acted upon.
  await house.store.resolve(house.schema, at(5));
  await house.restart({
    mode: 'consistent',
    bestEffort: { only: true, windowMs: 0, maxKeys: 9, nowMs: Date.now },
  });
  await applied(house, 5);
  expect(await shown(house)).toEqual(['1 9']);
  await send(house, [], 9);
  await applied(house, 9);
  const seen = await rowsOf(house, 'select v from seen order by n');
  expect(seen.map(Number)).toEqual(seen.map(Number).toSorted((a, b) => a - b));
});

test.for([
  ['plain', 'goes on'],
  ['plain', 'is started again'],
  ['best effort', 'goes on'],
  ['best effort', 'is started again'],
] as const)(
  'what immediate mode has applied of a table that stands alone only later is not set back: %s, and the daemon %s',
  async ([next, what]) => {
    await using house = await testHouse({ mode: 'immediate' });
    await house.database.query(
      "create table p (id int primary key, v int); create table t (id int primary key, v int unique); create table seen (n serial, v int); create function note() returns trigger language plpgsql as 'begin insert into seen (v) values (new.v); return null; end'; create trigger note after insert or update on t for each row execute function note()",
    );
    await send(house, [row('t', 1, 1, { v: 1 })], 1);
    await applied(house, 1);
    await send(house, [row('t', 2, 1, { v: 2 }), row('t', 9, 1, { v: 9 })]);
    const only = next === 'best effort';
    const changes = {
      mode: 'consistent',
      bestEffort: { only, windowMs: 0, maxKeys: 9, nowMs: Date.now },
    } as const;
    await house.restart(changes);
    await send(house, [row('p', 10, 1, { v: 1 })]);
    await until(() => status(house).state === 'running');
    await house.database.query('alter table t drop constraint t_v_key');
    if (what === 'goes on') {
      const feed = (await house.pipelines.open(house.schema))!;
      await feed.refreshShape();
    } else {
      await house.restart(changes);
    }
    await send(house, [], 5);
    await applied(house, 5);
    expect(await shown(house)).toEqual(['1 9']);
    await send(house, [], 9);
    await applied(house, 9);
    const seen = (await rowsOf(house, 'select v from seen order by n')).map(
      Number,
    );
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  },
);

test('behind immediate mode plain consistent mode brings rows forward once, and none that comes later', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 2, 1, { v: 2 })]);
  const plain = { mode: 'consistent' } as const;
  await house.restart(plain);
  await send(house, [row('t', 4, 2, { v: 4 })], 3);
  await applied(house, 3);
  await house.restart(plain);
  // A sweep has been over before this one is.
  await send(house, [row('t', 7, 3, { v: 7 })], 3);
  await house.restart(plain);
  await until(() => status(house).state === 'running');
  await send(house, [], 4);
  await applied(house, 4);
  expect(await shown(house)).toEqual(['1 2', '2 4']);
});

test('what immediate mode has applied and the guard has no room for is left to the sweep, and nothing goes ahead before', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query('create table t (id int primary key, v int)');
  const versions = (step: number): ReturnType<typeof row>[] =>
    Array.from({ length: 30 }, (_, id) => row('t', step, id, { v: step }));
  await send(house, versions(2));
  await send(house, versions(4));
  await house.restart({
    mode: 'consistent',
    bestEffort: {
      only: true,
      windowMs: 0,
      maxKeys: 40,
      maxRecoveredKeys: 9,
      nowMs: Date.now,
    },
  });
  await send(house, [], 3);
  await applied(house, 3);
  expect(house.pipelines.all[0]!.guardKeyCount).toBeLessThanOrEqual(9);
  await send(house, [row('t', 6, 30, { v: 6 })]);
  expect(await shown(house)).toHaveLength(30);
  await send(house, [], 4);
  await applied(house, 4);
  await until(async () => (await shown(house)).length === 31);
  expect(new Set((await shown(house)).slice(0, 30).map(lastWord))).toEqual(
    new Set(['4']),
  );
});

test.for(['still', 'no longer'])(
  'a target restored to a state in which rows were ahead is brought further, never back (others go ahead: %s)',
  async (ahead) => {
    await using house = await openHouse({ only: true });
    await send(house, [row('t', 1, 1, { v: 1 })], 1);
    await applied(house, 1);
    await send(house, [row('t', 2, 1, { v: 2 }), row('t', 9, 1, { v: 9 })]);
    await until(async () => (await shown(house)).join() === '1 9');
    // Beyond all that may have gone ahead.
    await send(house, [], 60_000);
    await applied(house, 60_000);
    if (ahead === 'no longer') {
      const { bestEffort } = house.house.options;
      await house.restart({
        bestEffort: { ...bestEffort!, only: false },
        // What is to be applied again has been staged for years.
        retireOffsetMs: 1e12,
      });
      await send(house, [row('p', 60_001, 2, { v: 1 })], 60_001);
      await applied(house, 60_001);
      expect(mode(house)).toBe('consistent');
    }
    // The backup was taken when the row was ahead of the watermark.
    await house.database.query(
      `create table seen (n serial, v int); create function note() returns trigger language plpgsql as 'begin insert into seen (v) values (new.v); return null; end'; create trigger note after insert or update on t for each row execute function note(); update replicator_checkpoint set applied = '${at(1)}'`,
    );
    await send(house, [row('p', 60_010, 1, { v: 1 })], 60_010);
    await applied(house, 60_010);
    expect(await shown(house)).toEqual(['1 9']);
    expect(await rowsOf(house, 'select v from seen where v < 9')).toEqual([]);
  },
);

test('immediate mode refuses tables that foreign keys link, unless told otherwise', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(
    'create table t (id int primary key, v int); create table p (id int primary key); create table c (id int primary key, p int references p)',
  );
  const feed = (await house.pipelines.open(house.schema))!;
  await expect(feed.accept([row('t', 1, 1, { v: 1 })])).rejects.toMatchObject({
    code: 'E3010',
    line: expect.stringContaining('foreign keys link c, p of'),
  });
  await until(() => status(house).state === 'halted');
  expect(await house.store.size(house.schema)).toMatchObject({ rowCount: 0 });
  await house.restart({ immediateForeignKeys: true });
  await send(house, [row('t', 1, 1, { v: 1 })]);
  expect(await rowsOf(house, 'select id, v from t')).toEqual(['1 1']);
  await house.database.query('drop table c');
  await house.restart();
  await send(house, [row('t', 2, 1, { v: 2 })]);
  expect(await rowsOf(house, 'select id, v from t')).toEqual(['1 2']);
});
