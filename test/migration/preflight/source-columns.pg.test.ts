import { expect, test } from 'vitest';
import { parsePostgresAddress } from '../../../src/config/address/postgres.ts';
import { readSourceTables } from '../../../src/migration/preflight/source-columns.ts';
import { testDatabase } from '../../support/test-database.ts';

const never = new AbortController().signal;

test('reads columns, keys, domains and enums of one schema', async () => {
  await using db = await testDatabase();
  await db.query(`
    create type mood as enum ('sad', 'glad');
    create domain money_like as numeric(10, 2) not null;
    create table item (
      b text not null, a int8, mood mood, price money_like,
      tags text[], note varchar(20), crdb_internal_a_shard_16 int4,
      primary key (b, a)
    );
    create view seen as select * from item;
    create schema other; create table other.elsewhere (id int8 primary key);`);
  const tables = await readSourceTables(
    parsePostgresAddress(db.url, '--sourceConn'),
    'public',
    never,
  );
  expect(tables).toEqual([
    {
      name: 'item',
      columns: [
        column('b', 'text', { nullable: false, keyOrdinal: 0 }),
        column('a', 'bigint', {
          base: 'int8',
          nullable: false,
          keyOrdinal: 1,
        }),
        column('mood', 'mood', { labels: ['sad', 'glad'] }),
        column('price', 'money_like', {
          base: 'numeric',
          typmod: ((10 << 16) | 2) + 4,
          nullable: false,
        }),
        column('tags', 'text[]', { base: '_text' }),
        column('note', 'character varying(20)', {
          base: 'varchar',
          typmod: 24,
        }),
      ],
    },
  ]);
});

function column(name: string, type: string, more: object): object {
  return {
    name,
    type,
    base: type,
    typmod: -1,
    nullable: true,
    keyOrdinal: null,
    labels: null,
    ...more,
  };
}

test('a source that does not answer is named without its password', async () => {
  const address = parsePostgresAddress(
    'postgresql://u:secret@127.0.0.1:1/shop?sslmode=disable',
    '--sourceConn',
  );
  await expect(
    readSourceTables(address, 'public', never),
  ).rejects.toMatchObject({
    code: 'E6001',
    message: expect.stringMatching(/^(?!.*secret).*127\.0\.0\.1:1\/shop/),
  });
});
