/** What a changefeed sends again must never be refused: it would stand still. */
import { expect, test } from 'vitest';

import type {
  JsonText,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import { forgetMark } from '../../../src/pipeline/feed/table-marks.ts';
import { applied, at, row, send, status } from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';

interface Case {
  readonly what: string;
  readonly mode?: 'immediate';
  readonly before?: (house: TestHouse) => Promise<void>;
  /** Sent before step 5 is resolved, and again afterwards. */
  readonly rows: readonly TableMutations[];
  readonly between?: (house: TestHouse) => Promise<void>;
  /** What comes again; all of it where not given. */
  readonly again?: readonly TableMutations[];
}

function keyed(step: number, key: string, names: string[]): TableMutations {
  const after = '{"a": 1, "b": 2, "v": 1}' as JsonText;
  return {
    table: 'pair',
    keyColumns: names,
    mutations: [{ time: at(step), key: key as JsonText, after, before: null }],
  };
}

const joined: TableMutations = {
  table: 't',
  mutations: [3, 4].flatMap((step) => row('t', step, 1, { v: step }).mutations),
};

const cases: readonly Case[] = [
  { what: 'a row', rows: [row('t', 3, 1, { v: 3 })] },
  {
    what: 'a row of immediate mode',
    mode: 'immediate',
    rows: [row('t', 3, 1, { v: 3 })],
  },
  { what: 'a delete of a row that never was', rows: [row('t', 3, 9, null)] },
  { what: 'a row that lacks columns', rows: [row('t', 3, 1, {})] },
  {
    what: 'the older one of two versions that came together',
    rows: [joined],
    again: [row('t', 3, 1, { v: 3 })],
  },
  {
    what: 'a row that has left the log',
    rows: [row('t', 3, 1, { v: 3 })],
    async between({ store, schema }) {
      while ((await store.retire(schema, at(5), 1)) > 0) {
        // Step by step.
      }
    },
  },
  {
    what: 'a row that was purged',
    rows: [row('t', 3, 1, { v: 3 })],
    async between({ store, schema }) {
      await store.purge({ schema, table: 't', through: at(4) }, false);
    },
  },
  {
    what: 'a row of staging that was purged as a whole',
    rows: [row('t', 3, 1, { v: 3 })],
    async between(house) {
      await house.pipelines[Symbol.asyncDispose]();
      await house.store.purge({ schema: house.schema }, false);
      await house.restart();
    },
  },
  {
    what: 'a row whose key comes in another order',
    rows: [keyed(3, '[1,2]', ['a', 'b'])],
    again: [keyed(3, '[2,1]', ['b', 'a'])],
  },
  {
    what: 'a row whose key columns were not known when it came',
    rows: [keyed(3, '[1,2]', ['a', 'b'])].map(({ table, mutations }) => ({
      table,
      mutations,
    })),
    again: [keyed(3, '[2,1]', ['b', 'a'])],
  },
  {
    what: 'a row that was staged one tick later, as of a scan',
    before: (house) => send(house, [row('other', 1, 1, { v: 1 })], 4),
    rows: [row('t', 2, 1, { v: 2 })],
  },
  {
    what: 'a row of a table that is to be scanned anew',
    rows: [row('t', 3, 1, { v: 3 })],
    async between({ store, schema }) {
      expect(await forgetMark(store, schema, 't')).toBe(true);
    },
  },
  {
    what: 'a row that comes under the new name of its table',
    rows: [row('t', 3, 1, { v: 3 })],
    async between(house) {
      await house.database.query('alter table t rename to renamed');
      const feed = (await house.pipelines.open(house.schema))!;
      await feed.refreshShape();
    },
    again: [row('renamed', 3, 1, { v: 3 })],
  },
  {
    what: 'a row that is set aside',
    rows: [row('t', 3, 1, { v: -1 })],
  },
];

test.each(cases)(
  '$what is taken when it comes again, and again after a restart',
  async ({ mode, before, rows, between, again = rows }) => {
    await using house = await testHouse({
      ...(mode && { mode }),
      sequencer: { onRowError: 'deadLetter' },
    });
    await house.database.query(
      'create table t (id int primary key, v int check (v > 0)); create table other (id int primary key, v int); create table pair (a int, b int, v int, primary key (a, b))',
    );
    await before?.(house);
    await send(house, rows, 5);
    await applied(house, 5);
    await between?.(house);
    await send(house, again, 6);
    await applied(house, 6);
    await house.restart();
    await send(house, again, 7);
    await applied(house, 7);
    expect(status(house).feedComplaint).toBeNull();
    expect(status(house).complaint).toBeNull();
  },
);
