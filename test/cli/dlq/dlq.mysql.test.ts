import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { row } from '../../contract/target-fixture.ts';
import { type CommandRun, runCommandLine } from '../../support/captured-io.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../support/mysql-test-database.ts';

describe.each(MYSQL_PRODUCTS)('dead letters in %s', (product) => {
  test('are listed, shown, retried and discarded', async () => {
    await using database = await testMysqlDatabase(product);
    await database.sql(
      'create table parent (id bigint primary key, code varchar(3)); create table child (id bigint primary key, parent bigint not null, foreign key (parent) references parent (id))',
    );
    await using target = await openTarget({
      ...defaultTargetOptions,
      url: database.url,
    });
    const schema = schemaName([database.name]);
    await target.deadLetters(schema, 'set aside').prepare();
    {
      await using transaction = await target.begin();
      const letter = { keyColumns: ['id'], code: 'E4006', cause: 'too long' };
      await transaction.deadLetters(schema, 'set aside').add([
        {
          ...letter,
          table: 'child',
          mutation: row(1, [1], { id: '1', parent: '1' }),
        },
        {
          ...letter,
          table: 'parent',
          mutation: row(1, [1], { id: '1', code: '"long"' }),
        },
        {
          ...letter,
          table: 'parent',
          mutation: {
            ...row(2, [2], { id: '2' }),
            movedFrom: '[1]' as JsonText,
          },
        },
        { ...letter, table: 'parent', mutation: row(2, [1], null) },
        { ...letter, table: 'parent', mutation: row(3, [3], { id: '3' }) },
      ]);
      await transaction.commit(null);
    }
    const dlq = (...words: string[]): Promise<CommandRun> =>
      runCommandLine([
        'dlq',
        ...words,
        `--targetConn=${database.url}`,
        '--dlqTableName=set aside',
      ]);
    expect((await dlq('list')).stdout).toMatch(/parent +move +\[1\] to \[2\]/);
    expect((await dlq('show', '2')).stdout).toContain(
      '{"id": 1, "code": "long"}',
    );
    const first = await dlq('retry');
    expect(first.exitCode).toBe(1);
    expect(first.stdout).toContain('Applied 1 letter of 1 row.');
    expect(first.stdout).toMatch(/child \[1\] \(1\): E4004/);
    expect(first.stdout).toMatch(/parent \[1\] \(2, 3, 4\): E4006/);
    // Each says why it has failed now.
    expect((await dlq('show', '3')).stdout).toMatch(
      /the value is longer than 3 characters/,
    );
    await database.sql('alter table parent modify code varchar(4)');
    const second = await dlq('retry');
    expect(second.stdout).toContain('Applied 3 letters of 1 row.');
    expect(
      await database.query('select id, code from parent order by id'),
    ).toEqual([
      ['2', 'long'],
      ['3', null],
    ]);
    const discard = await dlq('discard', '--yes', '--json');
    expect(JSON.parse(discard.stdout)).toEqual({
      schema: database.name,
      ids: ['1'],
      openCount: 1,
      deletedCount: 1,
    });
    expect((await dlq('list')).stdout).toContain('no dead letters');
  });

  test('an account that may not create the table hears the statement to run', async () => {
    await using database = await testMysqlDatabase(product);
    const user = `u${database.name.slice(-12)}`;
    await database.sql(
      `create user ${user} identified by 'pw'; grant select, insert, update, delete on ${database.name}.* to ${user}`,
    );
    const url = new URL(database.url);
    url.username = user;
    url.password = 'pw';
    await using target = await openTarget({
      ...defaultTargetOptions,
      url: url.href,
    });
    const letters = target.deadLetters(
      schemaName([database.name]),
      'replicator_dlq',
    );
    const failure = await letters.prepare().then(
      () => null,
      (error: unknown) => error as { code: string; remedy: string },
    );
    expect(failure?.code).toBe('E4019');
    await database.sql(failure!.remedy.slice(failure!.remedy.indexOf('\n')));
    await letters.prepare();
    expect(await letters.count({})).toBe(0);
    await database.sql(`drop user ${user}`);
  });
});
