import { expect, onTestFinished, test } from 'vitest';
import type { JsonText, Mutation } from '../../../src/mutation/mutation.ts';
import {
  type SchemaName,
  schemaName,
} from '../../../src/mutation/schema-name.ts';
import type { NewDeadLetter } from '../../../src/target/dead-letters.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import type { Target } from '../../../src/target/target.ts';
import { at, row } from '../../contract/target-fixture.ts';
import { type CommandRun, runCommandLine } from '../../support/captured-io.ts';
import {
  type TestDatabase,
  testDatabase,
} from '../../support/test-database.ts';

interface Place {
  readonly database: TestDatabase;
  readonly target: Target;
  readonly schema: SchemaName;
  /** Sets mutations aside; the key column is `id`. */
  add(
    table: string,
    mutations: readonly Mutation[],
    changes?: Partial<NewDeadLetter>,
  ): Promise<void>;
  dlq(...words: string[]): Promise<CommandRun>;
}

async function place(tables: string): Promise<Place> {
  const database = await testDatabase();
  const target = await openTarget({
    ...defaultTargetOptions,
    url: database.url,
  });
  onTestFinished(async () => {
    await target[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
  await database.query(tables);
  const schema = schemaName([database.name, 'public']);
  await target.deadLetters(schema, 'replicator_dlq').prepare();
  return {
    database,
    target,
    schema,
    async add(table, mutations, changes = {}) {
      await using transaction = await target.begin();
      await transaction.deadLetters(schema, 'replicator_dlq').add(
        mutations.map((mutation) => ({
          table,
          keyColumns: ['id'],
          mutation,
          code: 'E4006',
          cause: 'value too long',
          ...changes,
        })),
      );
      await transaction.commit(null);
    },
    dlq: (...words) =>
      runCommandLine([
        'dlq',
        ...words,
        `--targetConn=${database.url}`,
        '--targetMaxPoolSize=4',
      ]),
  };
}

async function rowsOf(
  { database }: Place,
  text: string,
): Promise<Record<string, unknown>[]> {
  return (await database.query(text)).rows;
}

const items = 'create table item (id int8 primary key, code varchar(3), n int)';

test('letters are listed without what their rows hold, and shown with it', async () => {
  const here = await place(items);
  expect((await here.dlq('list')).stdout).toBe(
    `There are no dead letters in ${here.schema}.\n`,
  );
  await here.add('item', [
    row(1, [1], { id: '1', code: '"secret"', n: '12345678901234567890.10' }),
    row(2, [2], null),
  ]);
  await here.add('loose', [row(3, [3, '"x"'], { a: '3', b: '"x"' })], {
    keyColumns: [],
  });
  const list = await here.dlq('list');
  expect(list.exitCode).toBe(0);
  expect(list.stdout).toContain('value too long');
  expect((await here.dlq('list', '--table=itme')).stdout).toBe(
    `No dead letters in ${here.schema} are selected.\n`,
  );
  expect(list.stdout).toMatch(/1 .* item +upsert +\[1\] +E4006 +open/);
  expect(list.stdout).toMatch(/2 .* item +delete +\[2\]/);
  expect(list.stdout).toMatch(/3 .* loose +upsert +\(the row\)/);
  expect(list.stdout).not.toContain('secret');
  const json = JSON.parse((await here.dlq('list', '--json')).stdout);
  expect(json).toMatchObject({
    schema: here.schema,
    more: false,
    letters: [{ id: '1', key: '[1]' }, { id: '2' }, { id: '3', key: null }],
  });
  expect(JSON.stringify(json)).not.toContain('secret');
  const show = await here.dlq('show', '1');
  expect(show.stdout).toContain(
    '{"id": 1, "code": "secret", "n": 12345678901234567890.10}',
  );
  expect(JSON.parse((await here.dlq('show', '1', '--json')).stdout).after).toBe(
    '{"id": 1, "code": "secret", "n": 12345678901234567890.10}',
  );
  const missing = await here.dlq('show', '99');
  expect(missing.exitCode).toBe(1);
  expect(missing.stderr).toContain('E5014');
});

test('each filter selects its letters', async () => {
  const here = await place(items);
  await here.add('item', [row(1, [1], null), row(2, [2], null)]);
  await here.add('other', [row(3, [1], null)], { code: 'E4005' });
  const ids = async (...words: string[]): Promise<string[]> => {
    const { stdout, stderr } = await here.dlq('list', '--json', ...words);
    expect(stderr).toBe('');
    const { letters } = JSON.parse(stdout) as { letters: { id: string }[] };
    return letters.map(({ id }) => id);
  };
  expect(await ids('--table', 'item')).toEqual(['1', '2']);
  expect(await ids('--key', '[ 1.0 ]')).toEqual(['1', '3']);
  expect(await ids('--code', 'e4005')).toEqual(['3']);
  expect(await ids('--id', '3, 1')).toEqual(['1', '3']);
  expect(await ids('--from', at(2))).toEqual(['2', '3']);
  expect(await ids('--through', at(2))).toEqual(['1', '2']);
  expect(await ids('--schema', `${here.database.name}/public`)).toHaveLength(3);
  expect((await here.dlq('list', '--limit', '2')).stdout).toContain(
    'Only the first 2 letters of 3',
  );
  for (const wrong of [
    ['--key', '1'],
    ['--id', 'x'],
    ['--from', 'now'],
    ['--code', '4005'],
  ]) {
    const { exitCode, stderr } = await here.dlq('list', ...wrong);
    expect([exitCode, stderr.match(/E\d{4}/)?.[0]]).toEqual([2, 'E5002']);
  }
});

test('a letter goes through once its cause is mended, and what fails again stays', async () => {
  const here = await place(items);
  await here.add('item', [
    row(1, [1], { id: '1', code: '"long"' }),
    row(2, [2], { id: '2', code: '"longer"' }),
    row(3, [1], { id: '1', n: '7' }),
  ]);
  const first = await here.dlq('retry');
  expect(first.exitCode).toBe(1);
  expect(first.stderr).toContain('E5013 2 rows');
  expect(first.stdout).toMatch(/item \[1\] \(1, 3\): E4006/);
  // Each says why it has failed now.
  expect((await here.dlq('show', '3')).stdout).toMatch(
    /the value is longer than 3 characters/,
  );
  await here.database.query('alter table item alter code type varchar(4)');
  const dry = await here.dlq('retry', '--dry-run');
  expect(dry.stdout).toContain('Dry run: nothing was tried.');
  expect(await rowsOf(here, 'select * from item')).toEqual([]);
  // Selected by its last letter the row goes with all of them.
  const second = await here.dlq('retry', '--id', '3', '--json');
  expect(second.exitCode).toBe(0);
  expect(JSON.parse(second.stdout).rows).toMatchObject([
    { table: 'item', ids: ['1', '3'], appliedCount: 2, code: null },
  ]);
  expect(await rowsOf(here, 'select * from item')).toEqual([
    { id: '1', code: 'long', n: 7 },
  ]);
  const third = await here.dlq('retry');
  expect(third.exitCode).toBe(1);
  expect(third.stdout).toContain('Applied 0 letters of 0 rows.');
  await here.database.query('alter table item alter code type text');
  expect((await here.dlq('retry')).exitCode).toBe(0);
  expect((await here.dlq('list')).stdout).toContain('no dead letters');
  expect(await rowsOf(here, 'select count(*) from item')).toEqual([
    { count: '2' },
  ]);
});

test('parents go before their children, whichever was set aside first', async () => {
  const here = await place(
    'create table parent (id int8 primary key, up int8 references parent); create table child (id int8 primary key, parent int8 not null references parent)',
  );
  await here.add('child', [
    row(1, [1], { id: '1', parent: '1' }),
    row(1, [2], { id: '2', parent: '9' }),
  ]);
  await here.add('parent', [
    row(1, [1], { id: '1', up: '2' }),
    row(1, [2], { id: '2', up: '3' }),
    row(1, [3], { id: '3', up: 'null' }),
  ]);
  const { exitCode, stdout } = await here.dlq('retry');
  expect(stdout).toContain('Applied 4 letters of 4 rows.');
  expect(stdout).toMatch(/child \[2\] \(2\): E4004/);
  expect(exitCode).toBe(1);
  expect(await rowsOf(here, 'select id from child')).toEqual([{ id: '1' }]);
});

test('a row that goes from key to key goes with both', async () => {
  const here = await place(items);
  await here.database.query(`insert into item values (1, 'old', 5)`);
  await here.add('item', [
    { ...row(1, [2], { id: '2', n: '6' }), movedFrom: '[1]' as JsonText },
    row(1, [1], null),
    row(2, [2], { id: '2', n: '7' }),
  ]);
  const { stdout } = await here.dlq('retry', '--key', '[1]');
  expect(stdout).toContain('Applied 3 letters of 1 row.');
  expect(await rowsOf(here, 'select * from item')).toEqual([
    { id: '2', code: 'old', n: 7 },
  ]);
});

test('keys are laid out as the primary key is by now', async () => {
  const here = await place(
    'create table pair (a int8, b text, n int, primary key (b, a))',
  );
  await here.add(
    'pair',
    [
      row(1, [7, '"x"'], { n: '1' }),
      row(2, [8, '"y"'], { a: '8', b: '"y"', n: '2' }),
    ],
    { keyColumns: ['a', 'b'] },
  );
  expect((await here.dlq('retry')).exitCode).toBe(0);
  expect(await rowsOf(here, 'select a, b, n from pair order by a')).toEqual([
    { a: '7', b: 'x', n: 1 },
    { a: '8', b: 'y', n: 2 },
  ]);
  await here.add('pair', [row(1, [7], { n: '1' })], { keyColumns: ['c'] });
  const { stdout } = await here.dlq('retry');
  expect(stdout).toContain('E4018');
});

test('superseded letters are not applied, and are discarded by themselves', async () => {
  const here = await place(items);
  await here.add('item', [
    row(1, [1], { id: '1', n: '1' }),
    row(2, [2], { id: '2', n: '2' }),
  ]);
  {
    await using transaction = await here.target.begin();
    await transaction
      .deadLetters(here.schema, 'replicator_dlq')
      .supersede('item', ['[1]' as JsonText]);
    await transaction.commit(null);
  }
  const { exitCode, stdout } = await here.dlq('retry');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('1 selected letter is superseded');
  expect(await rowsOf(here, 'select id from item')).toEqual([{ id: '2' }]);
  await here.add('item', [row(3, [3], null)]);
  expect((await here.dlq('list', '--superseded')).stdout).toMatch(
    /\[1\] +E4006 +superseded/,
  );
  const discard = await here.dlq('discard', '--superseded', '--yes');
  expect(discard.stdout).toContain('Deleted 1 letter.');
  expect((await here.dlq('list', '--superseded')).stdout).toMatch(/\[3\]/);
});

test('discarding shows, asks, and deletes what is selected', async () => {
  const here = await place(items);
  await here.add('item', [row(1, [1], null), row(2, [2], null)]);
  const dry = await here.dlq('discard', '--dry-run');
  expect(dry.stdout).toContain('2 of these letters are OPEN');
  expect(dry.stdout).toContain('Dry run: nothing was deleted.');
  const asked = await here.dlq('discard');
  expect(asked.exitCode).toBe(1);
  expect(asked.stderr).toContain('E5007');
  const one = await here.dlq('discard', '--key', '[2]', '--yes');
  expect(one.stdout).toContain('Deleted 1 letter.');
  const { stdout } = await here.dlq('list', '--json');
  expect(JSON.parse(stdout).letters).toMatchObject([{ key: '[1]' }]);
});

test('a daemon that holds a letter goes first, and what it superseded is not applied', async () => {
  const here = await place(items);
  await here.add('item', [row(1, [1], { id: '1', n: '1' })]);
  const daemon = await here.target.begin();
  const box = daemon.deadLetters(here.schema, 'replicator_dlq');
  await box.lockKeys('item', ['[1]' as JsonText]);
  const retry = here.dlq('retry');
  await expect
    .poll(async () => {
      const [waiting] = await rowsOf(
        here,
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return waiting!['n'];
    })
    .toBe(1);
  await box.supersede('item', ['[1]' as JsonText]);
  await daemon.commit(null);
  const { exitCode, stdout } = await retry;
  expect(exitCode).toBe(0);
  expect(stdout).toContain('Applied 0 letters of 1 row.');
  expect(await rowsOf(here, 'select * from item')).toEqual([]);
});

test('a table or a target that is not there is told with its remedy', async () => {
  const here = await place('create table kept (id int primary key)');
  await here.add('gone', [row(1, [1], { id: '1' })]);
  const { exitCode, stdout } = await here.dlq('retry');
  expect(exitCode).toBe(1);
  expect(stdout).toContain('E4012 there is no table');
  for (const words of [['list'], ['retry'], ['discard', '--yes']]) {
    const away = await here.dlq(...words, '--schema=replicated/nowhere');
    expect(away.exitCode).toBe(1);
    expect(away.stderr).toContain('E4012 there is no schema');
  }
  const none = await runCommandLine(['dlq', 'list']);
  expect([none.exitCode, none.stderr.match(/E\d{4}/)?.[0]]).toEqual([
    2,
    'E5004',
  ]);
  const down = await runCommandLine([
    'dlq',
    'list',
    '--targetConn=postgresql://127.0.0.1:9/x',
  ]);
  expect([down.exitCode, down.stderr.match(/E\d{4}/)?.[0]]).toEqual([
    1,
    'E4001',
  ]);
});
