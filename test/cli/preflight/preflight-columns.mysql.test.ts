import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../support/mysql-test-database.ts';
import { startPostgresServer } from '../../support/postgres-server.ts';
import pg from 'pg';

const folder = mkdtempSync(join(tmpdir(), 'replicator-preflight-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test('what the source can hold and the target cannot is named column by column', async () => {
    await using source = await startPostgresServer({ fsync: false });
    await using target = await testMysqlDatabase(product);
    const client = new pg.Client({ connectionString: source.url() });
    await client.connect();
    await client.query(
      'create table item (id int8 primary key, name text, seen timestamptz, price numeric(10, 2), rate float8, fits int4)',
    );
    await client.end();
    await target.sql(
      'create table item (id bigint primary key, name varchar(10), seen timestamp null, price decimal(8, 2), rate double, fits int)',
    );
    const { stdout } = await runCommandLine([
      'preflight',
      `--dataDir=${join(folder, product)}`,
      '--tlsSelfSigned',
      '--disableAuthentication',
      `--sourceConn=${source.url()}`,
      `--targetConn=${target.url}`,
    ]);
    const lines = stdout
      .split('\n')
      .filter((line) => / holds what /.test(line));
    expect(lines).toEqual([
      expect.stringMatching(/item\.name: .*is longer than 10 characters/),
      expect.stringMatching(
        /item\.seen: .*a time with microseconds.*a time before 1970.*a time after 2038|item\.seen: .*a time with microseconds/,
      ),
      expect.stringMatching(/item\.price: .*the largest number/),
      expect.stringMatching(/item\.rate: .*NaN/),
    ]);
  });
});
