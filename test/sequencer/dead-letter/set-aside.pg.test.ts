import { expect, test } from 'vitest';

import type {
  JsonText,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import { OpenLetters } from '../../../src/sequencer/dead-letter/open-letters.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  dlqTable,
  lettersInShort,
  lettersOf,
  retryAll,
} from '../../support/dead-letter-hand.ts';
import {
  applied,
  at,
  row,
  rowsOf,
  send,
  state,
  status,
  until,
} from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';
import { wrapBegin } from '../wrapped-target.ts';

const deadLetter = { onRowError: 'deadLetter' } as const;

/** Rows of one source transaction. */
function together(...parts: TableMutations[]): TableMutations[] {
  return parts;
}

test('a row that breaks a check is set aside with its cause, and all others arrive', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  const steps = Array.from({ length: 30 }, (_, index) => index + 1);
  await send(
    house,
    steps.flatMap((step) =>
      together(
        row('t', step, step, { v: step }),
        row('t', step, 100 + step, { v: step % 10 === 0 ? 500 : step }),
      ),
    ),
    30,
  );
  await applied(house, 30);
  expect(await lettersInShort(house)).toEqual([
    't [110] E4005 {"id":110,"v":500}',
    't [120] E4005 {"id":120,"v":500}',
    't [130] E4005 {"id":130,"v":500}',
  ]);
  expect(await rowsOf(house, 'select count(*) from t')).toEqual(['57']);
  await state(house, 'running');
  expect(status(house).complaint).toBeNull();
  expect(status(house).setAsideNote).toContain('3 of t');
  expect(status(house).setAsideNote).toContain('replicator dlq list');
  const { values } =
    await house.house.metrics.replicator_dead_letters_total.get();
  expect(values.map(({ value }) => value)).toEqual([3]);
});

test('a child goes with the parent that was set aside, and both come when the cause is mended', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table p (id int primary key, v varchar(3)); create table c (id int primary key, p int references p)',
  );
  await send(
    house,
    together(
      row('c', 1, 1, { p: 1 }),
      row('c', 1, 2, { p: 2 }),
      row('p', 1, 1, { v: 'much too long' }),
      row('p', 1, 2, { v: 'abc' }),
    ),
    1,
  );
  await applied(house, 1);
  // A later one waits for the same parent, and passes through the ladder.
  await send(house, [row('c', 2, 3, { p: 1 }), row('c', 3, 4, { p: 2 })], 3);
  await applied(house, 3);
  expect((await lettersInShort(house)).toSorted()).toEqual([
    'c [1] E4004 {"id":1,"p":1}',
    'c [3] E4004 {"id":3,"p":1}',
    'p [1] E4006 {"id":1,"v":"much too long"}',
  ]);
  expect(await rowsOf(house, 'select * from c order by id')).toEqual([
    '2 2',
    '4 2',
  ]);
  await house.database.query('alter table p alter v type text');
  await retryAll(house);
  expect(await rowsOf(house, 'select id from c order by id')).toEqual([
    '1',
    '2',
    '3',
    '4',
  ]);
});

test('a later whole version of the row is applied and supersedes its letters', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  await send(
    house,
    [row('t', 1, 1, { v: 500 }), row('t', 1, 2, { v: 500 })],
    1,
  );
  await applied(house, 1);
  expect(await lettersInShort(house)).toHaveLength(2);
  await send(house, [row('t', 2, 1, { v: 2 }), row('t', 2, 2, null)], 2);
  await applied(house, 2);
  expect(await lettersInShort(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 2']);
});

test('a row that is refused in each of its versions has one open letter, the newest', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  for (const step of [1, 2, 3]) {
    await send(house, [row('t', step, 1, { v: 500 + step })], step);
    await applied(house, step);
  }
  expect(await lettersInShort(house)).toEqual(['t [1] E4005 {"id":1,"v":503}']);
});

test('sparse versions follow the row that was set aside, through a restart too', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100), w int)',
  );
  await send(house, [row('t', 1, 1, { v: 500, w: 1 })], 1);
  await applied(house, 1);
  await send(house, [row('t', 2, 1, { w: 2 })], 2);
  await applied(house, 2);
  await house.restart();
  await send(house, [row('t', 3, 1, { w: 3 }), row('t', 3, 2, { v: 1 })], 3);
  await applied(house, 3);
  const letters = await lettersOf(house);
  expect(
    letters.map(({ mutation, code }) => `${code} ${mutation.after}`),
  ).toEqual([
    'E4005 {"id":1,"v":500,"w":1}',
    'E4005 {"id":1,"w":2}',
    'E4005 {"id":1,"w":3}',
  ]);
  expect(letters[2]!.cause).toContain('an earlier version');
  await house.database.query('alter table t drop constraint t_v_check');
  await retryAll(house);
  // Nothing is open any more: what comes now goes its usual way.
  await send(house, [row('t', 4, 1, { w: 4 })], 4);
  await applied(house, 4);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 500 4',
    '2 1 ',
  ]);
  expect(await lettersOf(house)).toEqual([]);
});

test('of two rows that want one unique value the one that cannot have it is set aside', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    "create table t (id int primary key, u text unique); insert into t values (9, 'x')",
  );
  await send(
    house,
    together(row('t', 1, 1, { u: 'x' }), row('t', 1, 2, { u: 'y' })),
    1,
  );
  await applied(house, 1);
  expect(await lettersInShort(house)).toEqual(['t [1] E4013 {"id":1,"u":"x"}']);
  await state(house, 'running');
});

test('a constraint that waits for the commit is found before it', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table p (id int primary key); create table c (id int primary key, p int references p deferrable initially deferred)',
  );
  await send(
    house,
    together(
      row('p', 1, 1, {}),
      row('c', 1, 1, { p: 1 }),
      row('c', 1, 2, { p: 7 }),
    ),
    1,
  );
  await applied(house, 1);
  expect(await lettersInShort(house)).toEqual(['c [2] E4004 {"id":2,"p":7}']);
  expect(await rowsOf(house, 'select * from c')).toEqual(['1 1']);
});

test('beyond --dlqLimit the schema halts, and goes on when letters are discarded or the cause is mended', async () => {
  await using house = await testHouse({
    sequencer: { ...deadLetter, dlqLimit: 3 },
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  await send(
    house,
    [row('t', 1, 1, { v: 500 }), row('t', 2, 2, { v: 500 })],
    2,
  );
  await applied(house, 2);
  await send(
    house,
    together(
      row('t', 3, 3, { v: 500 }),
      row('t', 3, 4, { v: 500 }),
      row('t', 3, 5, { v: 1 }),
    ),
    3,
  );
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/^halted: E3013 /);
  expect(await lettersOf(house)).toHaveLength(2);
  await house.database.query(`delete from replicator_dlq`);
  await applied(house, 3);
  expect((await lettersInShort(house)).map((each) => each.slice(0, 5))).toEqual(
    ['t [3]', 't [4]'],
  );
  expect(await rowsOf(house, 'select * from t')).toEqual(['5 1']);
});

test('a transaction that fails though all its rows go halts instead of setting rows aside, and goes on when that is mended', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.database.query(
    "create function refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = 'check_violation'; end $$; create trigger refuse before update on replicator_checkpoint for each row execute function refuse()",
  );
  await send(house, [row('t', 2, 2, { v: 2 })], 2);
  await until(
    () => status(house).complaint?.startsWith('halted: E3014 ') === true,
  );
  expect(await lettersOf(house)).toEqual([]);
  await house.database.query('drop trigger refuse on replicator_checkpoint');
  await applied(house, 2);
  expect(await rowsOf(house, 'select count(*) from t')).toEqual(['2']);
  await state(house, 'running');
});

test('a table of that name that others keep for themselves is no matter while nothing is to be set aside', async () => {
  await using house = await testHouse();
  await house.database.query(
    'create table t (id int primary key, v int); create schema hidden; create table hidden.letters (id int); create view replicator_dlq as select * from hidden.letters;',
  );
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await state(house, 'running');
});

test('a missing privilege sets nothing aside', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    "create table t (id int primary key, v int); create function refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = '42501', message = 'no'; end $$; create trigger refuse before insert on t for each row execute function refuse()",
  );
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/E4007/);
  expect(await lettersOf(house)).toEqual([]);
  await house.database.query('drop trigger refuse on t');
  await applied(house, 1);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
});

const halts: readonly {
  readonly what: string;
  readonly setup: string;
  readonly rows: readonly TableMutations[];
  readonly complaint: RegExp;
  readonly mend: string;
}[] = [
  {
    what: 'a check',
    setup: 'create table t (id int primary key, v int check (v < 5))',
    rows: [row('t', 1, 1, { v: 1 }), row('t', 1, 2, { v: 9 })],
    complaint: /^halted: E4005 .*row \[2\] of t, .*deadLetter/,
    mend: 'alter table t drop constraint t_v_check',
  },
  {
    what: 'a value too long',
    setup: 'create table t (id int primary key, v varchar(2))',
    rows: [row('t', 1, 1, { v: 'a' }), row('t', 1, 2, { v: 'long' })],
    complaint: /^halted: E4006 .*row \[2\] of t, .*deadLetter/,
    mend: 'alter table t alter v type text',
  },
  {
    what: 'a missing parent',
    setup:
      'create table p (id int primary key); create table t (id int primary key, p int references p)',
    rows: [row('t', 1, 1, { p: null }), row('t', 1, 2, { p: 7 })],
    complaint: /^halted: E4004 .*row \[2\] of t, .*deadLetter/,
    mend: 'insert into p values (7)',
  },
  {
    what: 'a unique value that is taken',
    setup:
      "create table t (id int primary key, u text unique); insert into t values (9, 'x')",
    rows: [row('t', 1, 1, { u: 'a' }), row('t', 1, 2, { u: 'x' })],
    complaint: /^halted: E4013 .*row \[2\] of t, .*deadLetter/,
    mend: 'delete from t where id = 9',
  },
  {
    what: 'a missing column',
    setup: 'create table t (id int primary key, v int)',
    rows: [row('t', 1, 1, { v: 1 }), row('t', 1, 2, { v: 2 })],
    complaint: /^halted: E4012 .*table .*\.t/,
    mend: 'alter table t add v int',
  },
];

test.each(halts)(
  'with the policy halt $what is told with table, key and remedy, and the pipeline goes on when it is mended',
  async ({ setup, rows, complaint, mend, what }) => {
    await using house = await testHouse({ sequencer: { maxRetries: 3 } });
    await house.database.query(setup);
    await send(house, rows);
    if (what === 'a missing column') {
      await house.database.query('alter table t drop v');
    }
    await send(house, [], 1);
    await until(() => complaint.test(status(house).complaint ?? ''));
    // Staging goes on meanwhile.
    await send(house, [row('t', 2, 3, null)], 2);
    await house.database.query(mend);
    await applied(house, 2);
    expect(
      await rowsOf(house, 'select id from t where id < 9 order by id'),
    ).toEqual(['1', '2']);
    await state(house, 'running');
    expect(status(house).complaint).toBeNull();
  },
);

test('letters and watermark are one: a target that fails at the commit has neither, however often it does', async () => {
  let failures = 7;
  await using house = await testHouse({
    sequencer: { ...deadLetter, quiescentPeriodMs: 3_600_000 },
    wrapTarget: (target) =>
      new Proxy(target, {
        get(inner, name) {
          const value = Reflect.get(inner, name, inner) as unknown;
          if (name !== 'begin') {
            return typeof value === 'function' ? value.bind(inner) : value;
          }
          return async (signal?: AbortSignal) => {
            const transaction = await inner.begin(signal);
            const commit = transaction.commit.bind(transaction);
            transaction.commit = async (move) => {
              if (failures > 0) {
                failures -= 1;
                await house.database.query(
                  `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'`,
                );
              }
              await commit(move);
            };
            return transaction;
          };
        },
      }),
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  await send(
    house,
    together(row('t', 1, 1, { v: 500 }), row('t', 1, 2, { v: 2 })),
    1,
  );
  await applied(house, 1);
  expect(await lettersInShort(house)).toEqual(['t [1] E4005 {"id":1,"v":500}']);
  expect(await rowsOf(house, 'select * from t')).toEqual(['2 2']);
});

test('a letter whose commit was answered by silence is known with all that its row was to do', async () => {
  let isLost = false;
  await using house = await testHouse({
    sequencer: deadLetter,
    wrapTarget: (target) =>
      wrapBegin(target, async (signal) => {
        const transaction = await target.begin(signal);
        const commit = transaction.commit.bind(transaction);
        transaction.commit = async (mark) => {
          await commit(mark);
          if (!isLost && mark && 'checkpoint' in mark) {
            isLost = mark.checkpoint.applied === at(2);
            if (isLost) {
              throw new ReplicatorError('E4002');
            }
          }
        };
        return transaction;
      }),
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  const [gone] = row('t', 2, 1, null).mutations;
  const [moved] = row('t', 2, 2, { v: 500 }).mutations;
  await send(
    house,
    [
      {
        table: 't',
        mutations: [gone!, { ...moved!, movedFrom: '[1]' as JsonText }],
      },
    ],
    2,
  );
  await applied(house, 2);
  expect(isLost).toBe(true);
  expect(await lettersInShort(house)).toEqual([
    't [1] E4005 gone',
    't [2] E4005 {"id":2,"v":500}',
  ]);
  await send(house, [row('t', 3, 2, { v: 2 })], 3);
  await applied(house, 3);
  expect(await lettersInShort(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['2 2']);
});

test('a table that is emptied has no open letters any more', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100), w int)',
  );
  await send(house, [row('t', 1, 1, { v: 500, w: 1 })], 1);
  await applied(house, 1);
  await send(
    house,
    [
      {
        table: 't',
        mutations: [
          { time: at(2), key: '[]' as JsonText, after: null, before: null },
        ],
      },
      row('t', 3, 1, { w: 3 }),
    ],
    3,
  );
  await applied(house, 3);
  expect(await lettersOf(house)).toEqual([]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1  3']);
});

test('an operator who retries a letter meets the daemon at the same row, and neither is lost', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100), w int)',
  );
  await send(house, [row('t', 1, 1, { v: 500, w: 1 })], 1);
  await applied(house, 1);
  await house.database.query('alter table t drop constraint t_v_check');
  const shape = (await house.target.introspect(house.schema))!;
  const ids = (await lettersOf(house)).map(({ id }) => id);
  {
    await using transaction = await house.target.begin();
    const box = transaction.deadLetters(house.schema, 'replicator_dlq');
    const [letter] = await box.take(ids);
    await send(house, [row('t', 2, 1, { w: 2 })], 2);
    // The daemon has to wait for the letter.
    await until(
      async () =>
        (
          await rowsOf(
            house,
            `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          )
        ).length > 0,
    );
    await createApplier({ collapse: true }).apply(
      [{ table: shape.tables.get('t')!, mutations: [letter!.mutation] }],
      transaction,
      new AbortController().signal,
    );
    await box.remove(ids);
    await transaction.commit(null);
  }
  await applied(house, 2);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 500 2']);
  expect(await lettersOf(house)).toEqual([]);
});

test('letters that an operator has seen to are not looked out for any more', async () => {
  await using house = await testHouse({ sequencer: deadLetter });
  await house.database.query(
    'create table t (id int primary key, v int constraint small check (v < 100))',
  );
  await send(house, [row('t', 1, 1, { v: 500 })], 1);
  await applied(house, 1);
  const letters = house.target.deadLetters(house.schema, dlqTable);
  const { signal } = new AbortController();
  const open = new OpenLetters();
  await open.load(letters, signal);
  expect(open.isEmpty).toBe(false);
  await house.database.query('alter table t drop constraint small');
  await retryAll(house);
  expect(await open.areAllClosed(letters, signal)).toBe(true);
  await open.load(letters, signal);
  expect(open.isEmpty).toBe(true);
});
