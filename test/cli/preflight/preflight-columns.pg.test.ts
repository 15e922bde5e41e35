import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import { testDatabase } from '../../support/test-database.ts';

const folder = mkdtempSync(join(tmpdir(), 'replicator-preflight-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function columnLines(...argv: string[]) {
  const { stdout, exitCode } = await runCommandLine([
    'preflight',
    `--dataDir=${join(folder, 'data')}`,
    '--tlsSelfSigned',
    '--disableAuthentication',
    ...argv,
  ]);
  return {
    exitCode,
    lines: stdout
      .split('\n')
      .filter((line) => /^\w+ +(?:target|source)/.test(line))
      .filter(
        (line) => !/ answers at | webhook paths: |targetMaxPool/.test(line),
      ),
  };
}

test('a target with the same columns has room for all that the source can hold', async () => {
  await using source = await testDatabase();
  await using target = await testDatabase();
  for (const db of [source, target]) {
    await db.query(`
      create type mood as enum ('sad', 'glad');
      create table item (id int8 primary key, name text, price numeric(10, 2), ratio float8,
        seen timestamptz, day date, at time, raw bytea, doc jsonb, tags text[], mood mood,
        code varchar(20), flag bool, token uuid, span interval, small int2, total numeric)`);
  }
  expect(
    await columnLines(
      `--sourceConn=${source.url}`,
      `--targetConn=${target.url}`,
    ),
  ).toEqual({
    exitCode: 0,
    lines: [
      `ok    target  what 17 columns of 1 table at the source can hold fits ${target.name}.public`,
    ],
  });
});

test('each column that is narrower at the target is named with what does not fit', async () => {
  await using source = await testDatabase();
  await using target = await testDatabase();
  await source.query(`
    create table item (id int8 primary key, name text, price numeric, seen timestamptz, note text);
    create table absent (id int8 primary key)`);
  await target.query(`
    create schema shop;
    create table shop.item (id int4 primary key, name varchar(10), price numeric(10, 2), seen timestamp(3), owner int not null)`);
  const { exitCode, lines } = await columnLines(
    `--sourceConn=${source.url}`,
    `--targetConn=${target.url}`,
    `--targetSchema=${target.name}/shop`,
  );
  expect(exitCode).toBe(1);
  expect(lines).toEqual([
    expect.stringMatching(
      /^warn {2}target {2}the source's table absent is not in /,
    ),
    expect.stringMatching(
      /^warn .* item\.id: bigint holds what .*int4 does not: -9223372036854775808, 9223372036854775807 \(is outside -2147483648 to 2147483647\)/,
    ),
    expect.stringMatching(/^warn .* item\.name: text holds what .*varchar/),
    expect.stringMatching(/^warn .* item\.price: numeric holds what .*numeric/),
    expect.stringMatching(
      /^warn .* item\.seen: timestamp with time zone holds what .*a time with microseconds/,
    ),
    expect.stringMatching(/^warn .* item\.note \(text\) is not at the target/),
    expect.stringMatching(
      /^error .* item\.owner may not be null, has no default, and is not at the source/,
    ),
  ]);
});

test('a schema that is not there, on either side, is named', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key)');
  const both = [`--sourceConn=${db.url}`, `--targetConn=${db.url}`];
  expect(await columnLines(...both, '--targetSchema=x/y')).toEqual({
    exitCode: 1,
    lines: [
      'error target  E4012 there is no schema x.y at the target: name it with --targetSchema, as shop.public or as a webhook path shop/public',
    ],
  });
  expect(
    (
      await columnLines(
        `--targetConn=${db.url}`,
        '--sourceConn=postgresql://u:p@127.0.0.1:1/shop?sslmode=disable',
      )
    ).lines,
  ).toEqual([expect.stringMatching(/^error source {2}E6001 .*127\.0\.0\.1:1/)]);
  expect(await columnLines(...both, '--sourceSchema=none')).toEqual({
    exitCode: 1,
    lines: [
      'error source  the schema none of the source has no tables that the account may see: name another with --sourceSchema',
    ],
  });
});
