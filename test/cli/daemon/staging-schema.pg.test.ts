import { expect, test } from 'vitest';
import { tableNames } from '../../../src/staging/postgres/schema.ts';
import { stagingTables } from '../../../src/target/postgres/catalog/catalog-queries.ts';
import { startDaemon } from '../../support/daemon.ts';
import { testDatabase } from '../../support/test-database.ts';

test('the target knows every table of a staging schema', () => {
  expect([...stagingTables].toSorted()).toEqual(
    Object.values(tableNames).toSorted(),
  );
});

test.each(['"Stage"', 'public'])(
  'staging in the schema %s of the target database takes no rows, so that nobody sends it keys for tokens',
  async (schema) => {
    await using target = await testDatabase();
    await target.query(`create schema if not exists ${schema}`);
    await target.query(
      `create table ${schema}.item (id int8 primary key, name text)`,
    );
    await using daemon = await startDaemon({
      args: [
        '--disableAuthentication',
        `--targetConn=${target.url}`,
        `--stagingConn=${target.url}`,
        `--stagingSchema=${target.name}.${schema}`,
      ],
    });
    const send = async (path: string, row: object): Promise<string> => {
      const url = `${daemon.url}/${target.name}/${schema.replaceAll('"', '')}`;
      const reply = await fetch(`${url}${path}`, {
        method: 'POST',
        body: JSON.stringify({ payload: [row], length: 1 }),
      });
      return `${reply.status} ${await reply.text()}`;
    };
    const updated = `${Date.now() - 1_000}000000.0000000000`;
    const id = '6f1c0d4e-3d0a-4b7f-9a51-0c8b4c1f2e3d';
    const after = { id, public_key: 'x', active: true };
    const topic = 'jwt_public_keys';
    const key = { after, key: [id], topic, updated };
    expect(await send('', key)).toMatch(/^404 E1015 /);
    expect(
      await send('', {
        after: null,
        key: ['x'],
        topic: 'jwt_revoked_ids',
        updated,
      }),
    ).toMatch(/^404 E1015 /);
    expect(
      await send('/jwt_public_keys', {
        ...after,
        __crdb__: { key: [id], updated },
      }),
    ).toMatch(/^404 E1015 /);
    // Its neighbours are nobody's secret.
    const item = {
      after: { id: 1, name: 'a' },
      key: [1],
      topic: 'item',
      updated,
    };
    expect(await send('', item)).toMatch(/^200 /);
  },
);

test('tables that only bear the names of staging are tables like others', async () => {
  await using target = await testDatabase();
  await target.query('create table jwt_revoked_ids (id text primary key)');
  await using daemon = await startDaemon({
    args: ['--disableAuthentication', `--targetConn=${target.url}`],
  });
  const updated = `${Date.now() - 1_000}000000.0000000000`;
  const row = {
    after: { id: 'a' },
    key: ['a'],
    topic: 'jwt_revoked_ids',
    updated,
  };
  const reply = await fetch(`${daemon.url}/${target.name}/public`, {
    method: 'POST',
    body: JSON.stringify({ payload: [row], length: 1 }),
  });
  expect([reply.status, await reply.text()]).toEqual([200, 'OK\n']);
});
