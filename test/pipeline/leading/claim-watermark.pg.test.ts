import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { claimWatermark } from '../../../src/pipeline/leading/claim-watermark.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import { shapeOf } from '../../contract/target-fixture.ts';
import { postgresFixture } from '../../target/postgres/fixture.ts';

test('an account that may not keep the watermark is warned of the tables whose rows a crash would double', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql('create table item (id int8 primary key)');
  const role = `${fixture.database.name}_writer`;
  await fixture.sql(`create role ${role} login password 'secret'`);
  const url = new URL(fixture.url);
  url.username = role;
  url.password = 'secret';
  await using target = await fixture.reopen({ url: url.href });
  await using folder = await mkdtempDisposable(join(tmpdir(), 'claim-'));
  await using store = openSqliteStore({
    dataDir: folder.path,
    exclusive: true,
  });
  const warnings = async (): Promise<string[]> => {
    const lines: string[] = [];
    const claimed = await claimWatermark(
      {
        store,
        target,
        shape: await shapeOf({ target, schema: fixture.schema }),
        logger: pino({}, { write: (line) => lines.push(line) }),
      },
      new AbortController().signal,
    );
    expect(claimed.inTarget).toBeNull();
    return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  };
  expect(await warnings()).toEqual([
    expect.stringContaining('effectively once'),
  ]);
  await fixture.sql('create table log (line text)');
  await fixture.sql('create table audit (line text)');
  await fixture.sql(`grant select on all tables in schema public to ${role}`);
  expect(await warnings()).toEqual([
    expect.stringContaining('effectively once'),
    expect.stringMatching(/insert rows twice .* \(audit, log\)/),
  ]);
});
