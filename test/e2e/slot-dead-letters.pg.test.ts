/** Rows behind a slot that the target refuses, and all that may follow them. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { PostgresServer } from '../support/postgres-server.ts';
import {
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../bin/replicator', import.meta.url));

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const setup = `
  create table wide (id int8 primary key, v int8, big text);
  alter table wide alter column big set storage external;
  create table log (n int8, note text);
  alter table log replica identity full;
  create table parent (id int8 primary key, v int8);
  create table child (id int8 primary key, parent int8 references parent)`;

const constraints = `
  alter table wide add constraint small check (v < 100);
  alter table log add constraint small check (n < 100);
  alter table parent add constraint small check (v < 100)`;

const long = (letter: string): string => `repeat('${letter}', 20000)`;

/** Of changes that do not touch it a slot does not send the large value. */
const statements: readonly string[] = [
  `insert into wide select g, g, ${long('a')} from generate_series(1, 6) g`,
  `update wide set v = 500 where id <= 3`,
  `update wide set v = 7 where id = 1`,
  `update wide set v = 8, big = ${long('b')} where id = 2`,
  `update wide set id = 30 where id = 3`,
  `insert into wide values (3, 1, 'another row at the old key')`,
  `update wide set v = 9 where id = 30`,
  `update wide set id = 40, v = 600 where id = 4`,
  `insert into wide values (4, 2, 'and another')`,
  `update wide set v = 3 where id = 4`,
  `delete from wide where id = 4`,
  `update wide set id = 50, v = 700 where id = 5`,
  `update wide set v = 1, big = ${long('c')} where id = 50`,
  `insert into log values (1, 'one'), (500, 'too much'), (500, 'too much')`,
  `delete from log where ctid = (select min(ctid) from log where n = 500)`,
  `update log set n = 2 where n = 1`,
  `begin; insert into parent values (1, 500), (2, 1); insert into child values (1, 1), (2, 2); commit`,
  `insert into child values (3, 1)`,
  `update wide set id = 60 where id = 6`,
];

async function letterCount(house: SlotHouse): Promise<number> {
  const rows = await house.target.rows('select count(*) from replicator_dlq');
  return Number(rows[0]![0]);
}

test('large values that are not sent, changed keys and rows without a key follow what is set aside, and come with it when it is retried', async () => {
  await using house = await slotHouse({
    server,
    setup,
    targetSetup: constraints,
    args: ['--onRowError=deadLetter'],
  });
  for (const [index, statement] of statements.entries()) {
    await house.source.sql(statement);
    if (index % 6 === 5) {
      await house.caughtUp();
      await house.kill();
      await house.start();
    }
  }
  await house.caughtUp();
  expect(await letterCount(house)).toBeGreaterThan(10);
  // What nothing speaks against is there all the while.
  const there = await house.target.rows(
    `select id, v, left(big, 1) from wide where id in (2, 50, 60) order by id`,
  );
  expect(there).toEqual([
    ['2', '8', 'b'],
    ['50', '1', 'c'],
    ['60', '6', 'a'],
  ]);
  expect(await house.target.rows('select id from child')).toEqual([['2']]);

  await house.target.sql(`
      alter table wide drop constraint small;
      alter table log drop constraint small;
      alter table parent drop constraint small`);
  const { stdout } = await run(program, [
    'dlq',
    'retry',
    `--targetConn=${house.target.url}`,
  ]);
  expect(stdout).toMatch(/^Applied /m);
  await house.source.sql('update wide set v = v + 1');
  await house.settle(['wide', 'log', 'parent', 'child']);
});
