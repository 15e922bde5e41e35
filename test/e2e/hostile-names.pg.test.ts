import { expect, test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { runCommandLine } from '../support/captured-io.ts';
import { postgresAccount } from '../support/granted-account.ts';
import { hostileNames } from '../support/hostile-names.ts';
import { parsedGrants } from '../support/mutated-grants.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';
import { testDatabase } from '../support/test-database.ts';
import { expectOnlyNames } from './hostile-house.ts';

const schema = `Sch"ema'; drop schema public cascade; -- %s $1`;
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

test('any name of PostgreSQL is only a name: rows, dead letters, parked values, staging, commands, metrics, grants', async () => {
  await using stack = new AsyncDisposableStack();
  const target = await testDatabase();
  const staging = stack.use(await testDatabase());
  const account = stack.use(
    await postgresAccount(target, {
      schemas: [schemaName([target.name, schema])],
    }),
  );
  stack.use(target);
  await target.query(`create schema ${quote(schema)}`);
  await expectOnlyNames({
    names: hostileNames({
      longestBytes: 63,
      isPossible: (name) => Buffer.byteLength(name) <= 63,
    }),
    identityOf: (name) => name,
    quote,
    tableName: (name) => `${quote(schema)}.${quote(name)}`,
    integer: 'int8',
    text: 'text',
    sql: (text) => target.query(text),
    async rows(text) {
      const { rows } = await target.query({
        text,
        rowMode: 'array',
        types: { getTypeParser: () => (value: string) => value },
      } as never);
      return rows as unknown as (string | null)[][];
    },
    async grant() {
      const { stdout } = await runCommandLine([
        'preflight',
        '--print-grants',
        `--targetConn=${target.url}`,
        `--targetSchema=${schemaName([target.name, schema])}`,
        `--grantee=${account.name}`,
        '--onRowError=deadLetter',
      ]);
      // One line each, whatever the names are.
      expect(stdout.trimEnd().split('\n').slice(1)).toEqual(
        stdout.match(/^GRANT .*; -- .*$/gm),
      );
      for (const { statement } of parsedGrants(stdout)) {
        await target.query(statement);
      }
    },
    targetConn: account.url,
    stagingArgs: [
      `--stagingConn=${staging.url}`,
      `--stagingSchema=${schemaName([staging.name, 'st"aging; --'])}`,
      '--stagingCreateSchema',
    ],
    path: `/${target.name}/${encodeURIComponent(schema)}`,
  });
});

test('any name of a publication is only a name, and what is no name of a slot is refused', async () => {
  await using server = await startSlotServer();
  const names = [
    `pub"; drop table item; --`,
    `it's 'so'`,
    'back\\slash $1 %s',
    'Ünï 表 \u{1f600}',
  ];
  await using house = await slotHouse({
    server,
    setup: 'create table item (id int8 primary key, v text)',
    sourceSetup: names
      .map((name) => `create publication ${quote(name)} for table item`)
      .join(';'),
    publication: null,
    args: [`--publicationName=markers,${names.join(',')}`],
  });
  await house.source.sql(`insert into item values (1, 'a')`);
  await house.settle();
  const preflight = (...more: string[]) =>
    runCommandLine([
      'preflight',
      `--sourceConn=${house.source.url}`,
      `--targetConn=${house.target.url}`,
      `--targetSchema=${house.target.schema}`,
      ...more,
    ]);
  const all = await preflight(
    `--publicationName=${names.join(',')}`,
    `--slotName=${house.slotName}`,
  );
  expect(all.stdout).not.toMatch(/^error/m);
  const slot = await preflight(
    '--publicationName=markers',
    `--slotName=x'); drop table item; --`,
  );
  expect(slot.exitCode).toBeGreaterThan(0);
  expect(await house.target.rows('select id from item')).toEqual([['1']]);
  expect(await house.source.rows('select id from item')).toEqual([['1']]);
});
