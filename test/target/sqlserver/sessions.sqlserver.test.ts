import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import {
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../../contract/target-fixture.ts';
import {
  hasServer,
  isBabelfish,
  type SqlServerFixture,
  sqlserverFixture,
} from './fixture.ts';

/** The address of the fixture with other parameters. */
function addressOf(
  fixture: SqlServerFixture,
  change: (url: URL) => void,
): string {
  const url = new URL(fixture.url);
  change(url);
  return url.href;
}

async function pingAt(url: string): Promise<void> {
  await using target = await openTarget({ url, ...defaultTargetOptions });
  await target.ping();
}

describe.skipIf(!hasServer)('a session at SQL Server', () => {
  test('is opened with and without TLS, as the address says', async () => {
    await using fixture = await sqlserverFixture();
    for (const mode of ['disable', 'allow', 'prefer', 'require']) {
      await pingAt(
        addressOf(fixture, ({ searchParams }) =>
          searchParams.set('sslmode', mode),
        ),
      );
    }
    const failure = await failureOf(
      pingAt(
        addressOf(fixture, ({ searchParams }) =>
          searchParams.set('sslmode', 'verify-full'),
        ),
      ),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4015', 'halt']);
    expect(failure.message).toMatch(/certificate/);
  });

  test('is opened as a replication agent or as any other program', async () => {
    await using fixture = await sqlserverFixture();
    for (const replication of ['true', 'false']) {
      await pingAt(
        addressOf(fixture, ({ searchParams }) =>
          searchParams.set('replication', replication),
        ),
      );
    }
  });

  test('is refused with a wrong password, which is not shown', async () => {
    await using fixture = await sqlserverFixture();
    const failure = await failureOf(
      pingAt(addressOf(fixture, (url) => (url.password = 'wrong-secret'))),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4015', 'halt']);
    expect(failure.line).not.toContain('wrong-secret');
  });

  test('is refused in a database that is not there', async () => {
    await using fixture = await sqlserverFixture();
    const failure = await failureOf(
      pingAt(addressOf(fixture, (url) => (url.pathname = '/not_there'))),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4015', 'halt']);
  });

  test('with a server that says nothing is given up', async () => {
    await using fixture = await sqlserverFixture();
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    const { port } = silent.address() as { port: number };
    const failure = await failureOf(
      pingAt(
        addressOf(fixture, (url) => {
          url.hostname = '127.0.0.1';
          url.port = String(port);
          url.searchParams.set('connect_timeout', '1');
        }),
      ),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4001', 'retry']);
    silent.close();
  });

  test('that nobody answers is a failure to retry', async () => {
    await using fixture = await sqlserverFixture();
    const failure = await failureOf(
      pingAt(addressOf(fixture, (url) => (url.port = '1'))),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4001', 'retry']);
  });

  test('tells what refuses a row without its values', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (id bigint primary key, code nvarchar(20) collate latin1_general_bin2 unique, n int not null, constraint small check (n < 10))',
    );
    await fixture.sql(`insert into item values (9, 'taken-secret', 1)`);
    const refusal = async (after: Record<string, string>) => {
      const { code, message } = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1', ...after })] }),
      );
      expect(message).not.toMatch(/secret|777/);
      return code;
    };
    expect(await refusal({ code: '"taken-secret"', n: '1' })).toBe('E4013');
    expect(await refusal({ code: '"secret"', n: '777' })).toBe('E4005');
    expect(await refusal({ code: '"secret"', n: 'null' })).toBe('E4005');
    expect(await refusal({ code: '"secret"', n: '"secret"' })).toBe('E4006');
  });

  test('sets what it needs for each transaction, whatever the last one left', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (id bigint primary key, d date, f datetime)',
    );
    await fixture.sql('create table seen (id int primary key, n int)');
    await using target = await fixture.reopen({ poolSize: 1 });
    for (const second of [1, 2]) {
      await applyTo(
        fixture,
        {
          item: [
            row(second, [1], {
              id: '1',
              d: '"2024-02-01"',
              f: '"2024-02-01T00:00:00"',
            }),
          ],
        },
        { target },
      );
    }
    expect(
      await fixture.rows(
        'select convert(varchar(30), d, 120), convert(varchar(30), f, 120) from item',
      ),
    ).toEqual([['2024-02-01', '2024-02-01 00:00:00']]);
    expect(target.poolCounts().dialCount).toBe(1);
  });

  test('runs nothing outside its transaction once a statement has failed', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (id bigint primary key, n int not null)',
    );
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const applier = createApplier({ collapse: true });
    const write = (id: number, n: string) =>
      applier.apply(
        [{ table, mutations: [row(1, [id], { id: String(id), n })] }],
        transaction,
        new AbortController().signal,
      );
    await using transaction = await fixture.target.begin();
    // None is waited for: they stand in a row when the second one fails.
    const all = await Promise.allSettled([
      write(1, '1'),
      write(2, 'null'),
      write(3, '3'),
      transaction.commit(null),
    ]);
    expect(all.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ]);
    expect(await fixture.rows('select id from item')).toEqual([]);
  });

  test.skipIf(!isBabelfish)(
    'at Babelfish is refused unless the address names it',
    async () => {
      await using fixture = await sqlserverFixture();
      const failure = await failureOf(
        pingAt(
          addressOf(fixture, ({ searchParams }) =>
            searchParams.delete('babelfish'),
          ),
        ),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4014', 'halt']);
    },
  );
});
