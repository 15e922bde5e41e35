/** Whatever a PostgreSQL source may do, the target ends as the source is. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type Session,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer({
    // The smallest there is: whatever is larger is streamed before its end.
    settings: { logical_decoding_work_mem: '64kB' },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const keyed = ['plain', 'whole', 'loud'] as const;
const setup = `
  create table plain (id int4 primary key, n int4, long text);
  create table whole (id int4 primary key, n int4, long text);
  create table loud (id int4 primary key, n int4 unique deferrable initially deferred, long text);
  create table bag (id int4, n int4, long text);
  create table pair (a int4, b text, n int4, primary key (a, b));
  create table parent (id int4 primary key, n int4);
  create table child (id int4 primary key,
    parent_id int4 references parent on delete cascade on update cascade deferrable initially deferred, n int4)`;
const identities = `
  alter table whole replica identity full;
  alter table bag replica identity full;
  ${[...keyed, 'bag'].map((name) => `alter table ${name} alter long set storage external`).join(';')}`;

const id = fc.integer({ min: 1, max: 6 });
const number = fc.option(fc.integer({ min: 0, max: 9 }), { nil: 'null' });
const text = fc.oneof(
  fc.constantFrom('null', `''`, `'short'`),
  fc
    .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(3000, 9000))
    .map(([letter, length]) => `repeat('${letter}', ${length})`),
);

const ofKeyed = fc
  .tuple(fc.constantFrom(...keyed), id, id, number, text)
  .chain(([table, one, other, n, long]) =>
    fc.constantFrom(
      `insert into ${table} values (${one}, ${n}, ${long})`,
      `insert into ${table} values (${one}, ${n}, ${long}) on conflict (id) do update set n = excluded.n`,
      `update ${table} set n = ${n} where id = ${one}`,
      `update ${table} set long = ${long} where id = ${one}`,
      `update ${table} set id = ${other} where id = ${one}`,
      `update ${table} set id = ${other}, long = ${long} where id = ${one}`,
      `update ${table} set id = 0 where id = ${one}; update ${table} set id = ${one} where id = ${other}; update ${table} set id = ${other} where id = 0`,
      `update ${table} set id = id + 10 where id <= ${one}`,
      `update ${table} set id = id - 10 where id > 10`,
      `update ${table} set n = 9 - n`,
      `delete from ${table} where id = ${one}`,
      `delete from ${table} where id > ${one}`,
    ),
  );

const ofOthers = fc
  .tuple(id, id, number, text)
  .chain(([one, other, n, long]) =>
    fc.constantFrom(
      `insert into bag values (${one}, ${n}, ${long})`,
      `insert into bag select * from bag where id = ${one} limit 3`,
      `update bag set n = ${n} where ctid = (select min(ctid) from bag where id = ${one})`,
      `update bag set id = ${other} where id = ${one}`,
      `delete from bag where ctid = (select max(ctid) from bag where id = ${one})`,
      `insert into pair values (${one}, 'k${other}', ${n})`,
      `update pair set a = ${other} where a = ${one}`,
      `update pair set b = 'k${one}', n = ${n} where a = ${other}`,
      `delete from pair where n is not distinct from ${n}`,
      `insert into parent values (${one}, ${n})`,
      `insert into child values (${one}, ${other}, ${n})`,
      `update parent set id = ${other} where id = ${one}`,
      `update child set parent_id = ${other} where id = ${one}`,
      `update child set id = ${other}, n = ${n} where id = ${one}`,
      `delete from parent where id = ${one}`,
      `delete from child where id = ${one}`,
    ),
  );

const rare = fc.constantFrom(
  ...[...keyed, 'bag', 'pair', 'child'].map((name) => `truncate ${name}`),
  'truncate parent cascade',
  `insert into plain select g, g, repeat('m', 50) from generate_series(100, 1500) g`,
  `delete from plain where id >= 100`,
  `insert into bag select 7, g % 3, null from generate_series(1, 1200) g`,
  `delete from bag where id = 7`,
);

const change = fc.oneof(
  { arbitrary: ofKeyed, weight: 10 },
  { arbitrary: ofOthers, weight: 10 },
  { arbitrary: rare, weight: 1 },
);

/** What one session says next; a change that fails changes nothing. */
const step = fc.oneof(
  { arbitrary: change.map(whatever), weight: 12 },
  {
    arbitrary: fc
      .array(change, { minLength: 1, maxLength: 3 })
      .map(
        (changes) =>
          `savepoint undone; ${changes.map(whatever).join('; ')}; rollback to undone`,
      ),
    weight: 1,
  },
  { arbitrary: fc.constant('commit'), weight: 5 },
  { arbitrary: fc.constant('rollback'), weight: 1 },
);

const history = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), step), {
  minLength: 1,
  maxLength: 40,
  size: 'max',
});

/** The step before which the reader is killed; mostly none. */
const killedAt = fc.oneof(
  { arbitrary: fc.constant(-1), weight: 7 },
  { arbitrary: fc.integer({ min: 0, max: 20 }), weight: 1 },
);

function whatever(statement: string): string {
  return `do $do$ begin ${statement}; exception when others then null; end $do$`;
}

class Writer {
  readonly #session: Session;
  #isOpen = false;

  constructor(session: Session) {
    this.#session = session;
  }

  async say(text: string): Promise<void> {
    if (text === 'commit' || text === 'rollback') {
      if (this.#isOpen) {
        this.#isOpen = false;
        // A constraint may be looked at only now.
        await this.#session.sql(text).catch(() => {});
      }
      return;
    }
    if (!this.#isOpen) {
      this.#isOpen = true;
      await this.#session.sql('begin');
    }
    await this.#session.sql(text);
  }
}

test.for([
  ['as it is by default', []],
  [
    'in transactions of single rows, one after the other',
    ['--flushSize=1', '--timestampLimit=1', '--parallelism=1'],
  ],
  [
    'in small transactions side by side',
    ['--flushSize=7', '--parallelism=8', '--scanSize=20'],
  ],
] as const)(
  'random transactions of three sessions leave equal tables, applied %s',
  async ([, args]) => {
    await using house = await slotHouse({
      server,
      setup,
      sourceSetup: identities,
      args,
    });
    await using stack = new AsyncDisposableStack();
    const writers: Writer[] = [];
    for (let index = 0; index < 3; index += 1) {
      const session = await openSession(house.source.url);
      stack.defer(() => session.end());
      await session.sql(`set lock_timeout = '5ms'`);
      writers.push(new Writer(session));
    }
    let rowCount = 0;
    await fc.assert(
      fc.asyncProperty(history, killedAt, async (steps, deathPlace) => {
        for (const [place, [index, text]] of steps.entries()) {
          if (place === deathPlace) {
            await house.kill();
          }
          await writers[index]!.say(text);
        }
        for (const writer of writers) {
          await writer.say('commit');
        }
        if (deathPlace >= 0 && deathPlace < steps.length) {
          await house.start({ waitFor: 'listening' });
        }
        await house.settle();
        const [[count]] = (await house.source.rows(
          'select count(*) from plain',
        )) as [[string]];
        rowCount += Number(count);
      }),
      // Every run goes on from the one before it: the seed tells all of them.
      { numRuns: 40, endOnFailure: true },
    );
    expect(rowCount).toBeGreaterThan(0);
  },
);
