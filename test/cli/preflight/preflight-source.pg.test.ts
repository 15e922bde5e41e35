import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import {
  startSource,
  type TestSource,
} from '../../source/logical/server/source-fixture.ts';
import { testDatabase } from '../../support/test-database.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'replicator-preflight-'));
let source: TestSource;
beforeAll(async () => {
  source = await startSource({ max_slot_wal_keep_size: '1GB' });
});
afterAll(async () => {
  rmSync(dataDir, { recursive: true });
  await source[Symbol.asyncDispose]();
});

/** As an operator types it for `pglogical`: nothing of a webhook is given. */
async function preflight(...argv: string[]) {
  const run = await runCommandLine([
    'preflight',
    `--dataDir=${dataDir}`,
    '--stagingMaxBytes=1MiB',
    '--targetMaxPoolSize=20',
    ...argv,
  ]);
  expect(run.stderr).toBe('');
  return {
    exitCode: run.exitCode,
    lines: run.stdout.trimEnd().split('\n'),
    sourceLines: run.stdout
      .trimEnd()
      .split('\n')
      .filter((line) => /^\w+ +source /.test(line)),
  };
}

test('a source that a slot can be read from is looked at before the target', async () => {
  await using target = await testDatabase();
  await target.query('create table orders (id int8 primary key)');
  await source.run('create table orders (id int8 primary key)');
  const common = [
    `--sourceConn=${source.server.url()}`,
    `--targetConn=${target.url}`,
    `--targetSchema=${target.name}.public`,
    '--publicationName=pub',
  ];
  const bare = await preflight(...common);
  expect(bare.exitCode).toBe(1);
  expect(bare.sourceLines).toEqual([
    expect.stringMatching(/^ok {4}source {2}PostgreSQL \d+\S* answers at /),
    expect.stringContaining('keeps 1GiB of WAL for a slot'),
    expect.stringMatching(/^error source {2}E6002 .*no publication "pub"/),
    expect.stringMatching(/^error source {2}E6002 .*no replication slot/),
  ]);

  const making = await preflight(
    ...common,
    '--createSlot',
    '--createPublication',
  );
  expect(making.exitCode).toBe(0);
  expect(making.lines.at(-1)).toMatch(/^preflight: nothing stands in the way/);

  await source.run('create publication pub for all tables');
  await source.run(
    "select pg_create_logical_replication_slot('mine', 'pgoutput')",
  );
  const ready = await preflight(...common, '--slotName=mine');
  expect(ready.exitCode).toBe(0);
  expect(ready.sourceLines.at(-1)).toContain('the slot mine is free');
  expect(ready.lines[0]).toBe(ready.sourceLines[0]);
});

test('tables of every schema of --schemaMap are looked at', async () => {
  await using target = await testDatabase();
  await source.run(`
    create database mapped;`);
  await source.run(
    `create schema audit; create table audit.log (line text);
     create table ignored (line text);
     create publication pub for all tables;
     create publication second for all tables`,
    'mapped',
  );
  const { sourceLines } = await preflight(
    `--sourceConn=${source.server.url('mapped')}`,
    `--targetConn=${target.url}`,
    '--publicationName=pub, second',
    '--createSlot',
    '--schemaMap=audit=shop.audit, ref=shop.ref',
  );
  expect(sourceLines.join('\n')).toContain('audit.log has no primary key');
  expect(sourceLines.join('\n')).not.toContain('audit.log is published, but');
});

test('a source that does not answer is an error without its password, and the target is looked at still', async () => {
  await using target = await testDatabase();
  const refused = await preflight(
    '--sourceConn=postgresql://u:hunter2@127.0.0.1:1/db',
    `--targetConn=${target.url}`,
    '--publicationName=pub',
  );
  expect(refused.exitCode).toBe(1);
  expect(refused.sourceLines[0]).toMatch(
    /^error source {2}E6010 the connection to the source 127\.0\.0\.1:1\/db failed/,
  );
  expect(refused.lines.join('\n')).not.toContain('hunter2');
  expect(refused.lines.join('\n')).toContain('ok    target');

  const none = await preflight(
    `--targetConn=${target.url}`,
    '--publicationName=pub',
  );
  expect(none.exitCode).toBe(1);
  expect(none.sourceLines[0]).toContain('E5004');
});
