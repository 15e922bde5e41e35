/** What a server really sends of each kind of change. */
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import {
  type PostgresServer,
  startPostgresServer,
} from '../../../support/postgres-server.ts';
import { failureOf } from '../../../contract/target-fixture.ts';
import {
  type DecodedChange,
  type DecodedSlot,
  decodedSlot,
} from './decoded-slot.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgresServer({
    fsync: false,
    settings: { wal_level: 'logical' },
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

let databaseCount = 0;

/** `item` at the source and, unless other columns are given, at the target. */
async function itemSlot(
  columns: string,
  {
    targetColumns = columns,
    ...options
  }: { targetColumns?: string; onUnknown?: 'keep' | 'ignore' } = {},
): Promise<DecodedSlot> {
  databaseCount += 1;
  const slot = await decodedSlot(server, `changes_${databaseCount}`, options);
  await slot.sql(`create table source.item (${columns})`);
  await slot.sql(`create table target.item (${targetColumns})`);
  await slot.refresh();
  return slot;
}

/** Without the times. */
function said(changes: readonly DecodedChange[]): unknown[] {
  return changes.map(({ mutation: { time: _time, ...change } }) => change);
}

const before = null;
const long = 'x'.repeat(20_000);
/** Stored outside of its row, so that an update that leaves it does not send it. */
const storeOutside =
  'alter table source.item alter column long set storage external';

describe('the decoder of a slot', () => {
  test('makes of inserts, updates and deletes what they did, under the names of the target', async () => {
    await using slot = await itemSlot('id int8 primary key, "Name" text', {
      targetColumns: 'name text, id int8 primary key',
    });
    await slot.sql(`insert into source.item values (1, 'a'), (2, null)`);
    await slot.sql(`update source.item set "Name" = '' where id = 2`);
    await slot.sql(`delete from source.item where id = 1`);
    const changes = await slot.changes();
    expect(said(changes)).toEqual([
      { key: '[1]', after: '{"id":1,"name":"a"}', before },
      { key: '[2]', after: '{"id":2,"name":null}', before },
      { key: '[2]', after: '{"id":2,"name":""}', before },
      { key: '[1]', after: null, before },
    ]);
    expect(
      new Set(changes.map(({ keyColumns }) => String(keyColumns))),
    ).toEqual(new Set(['id']));
    const times = changes.map(({ mutation }) => mutation.time);
    expect(times[0]).toBe(times[1]);
    expect(times[1]! < times[2]! && times[2]! < times[3]!).toBe(true);
    const seconds = Number(times[0]!.slice(0, 10));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(3600);
  });

  test('moves a row whose key changes, and says from where when a large value was not sent', async () => {
    await using slot = await itemSlot('id int8 primary key, n int4, long text');
    await slot.sql(storeOutside);
    await slot.sql(`insert into source.item values (1, 1, '${long}')`);
    await slot.sql(`update source.item set n = 2`);
    await slot.sql(`update source.item set id = 7`);
    await slot.sql(`update source.item set id = 8, long = 'short'`);
    const [, ...changes] = said(await slot.changes());
    expect(changes).toEqual([
      { key: '[1]', after: '{"id":1,"n":2}', before },
      { key: '[1]', after: null, before },
      { key: '[7]', after: '{"id":7,"n":2}', before, movedFrom: '[1]' },
      { key: '[7]', after: null, before },
      { key: '[8]', after: '{"id":8,"n":2,"long":"short"}', before },
    ]);
    expect(slot.decoder.unchangedToastCount).toBe(2);
  });

  test('takes a large value that was not sent from the old row under replica identity full', async () => {
    await using slot = await itemSlot('id int8 primary key, n int4, long text');
    await slot.sql(storeOutside);
    await slot.sql('alter table source.item replica identity full');
    await slot.sql(`insert into source.item values (1, 1, '${long}')`);
    await slot.sql(`update source.item set n = null`);
    await slot.sql(`update source.item set id = 7`);
    await slot.sql(`delete from source.item`);
    const [, ...changes] = said(await slot.changes());
    expect(changes).toEqual([
      { key: '[1]', after: `{"id":1,"n":null,"long":"${long}"}`, before },
      { key: '[1]', after: null, before },
      { key: '[7]', after: `{"id":7,"n":null,"long":"${long}"}`, before },
      { key: '[7]', after: null, before },
    ]);
    expect(slot.decoder.unchangedToastCount).toBe(0);
  });

  test('keeps what only the target has when a row gets another key', async () => {
    await using slot = await itemSlot('id int8 primary key', {
      targetColumns: 'id int8 primary key, note text',
    });
    await slot.sql(`insert into source.item values (1)`);
    await slot.sql(`update source.item set id = 2`);
    expect(said(await slot.changes()).at(-1)).toEqual({
      key: '[2]',
      after: '{"id":2}',
      before,
      movedFrom: '[1]',
    });
  });

  test('locates rows by an index of the source that has the columns of the target’s key', async () => {
    await using slot = await itemSlot(
      'id int8 primary key, a int4 not null, b text not null, note text',
      {
        targetColumns: 'id int8, a int4, b text, note text, primary key (b, a)',
      },
    );
    await slot.sql('create unique index by_pair on source.item (a, b)');
    await slot.sql(
      'alter table source.item replica identity using index by_pair',
    );
    await slot.sql(`insert into source.item values (1, 2, 'x', 'n')`);
    await slot.sql(`update source.item set note = 'm'`);
    await slot.sql(`update source.item set b = 'y'`);
    await slot.sql(`delete from source.item`);
    const rowText = (b: string, note: string): string =>
      `{"id":1,"a":2,"b":"${b}","note":"${note}"}`;
    expect(said(await slot.changes())).toEqual([
      { key: '["x",2]', after: rowText('x', 'n'), before },
      { key: '["x",2]', after: rowText('x', 'm'), before },
      { key: '["x",2]', after: null, before },
      { key: '["y",2]', after: rowText('y', 'm'), before },
      { key: '["y",2]', after: null, before },
    ]);
  });

  test.each(['update source.item set n = 2', 'delete from source.item'])(
    'refuses a change that does not tell the target’s key: %s',
    async (change) => {
      await using slot = await itemSlot(
        'id int8 primary key, n int4 not null',
        {
          targetColumns: 'id int8, n int4 primary key',
        },
      );
      await slot.sql(`insert into source.item values (1, 1)`);
      expect(said(await slot.changes())).toEqual([
        { key: '[1]', after: '{"id":1,"n":1}', before },
      ]);
      await slot.sql(change);
      const failure = await failureOf(slot.changes());
      expect(failure.code).toBe('E6011');
      expect(failure.message).toContain('source.item');
      expect(failure.remedy).toContain('REPLICA IDENTITY FULL');
    },
  );

  test('takes the target’s own key from whole old rows', async () => {
    await using slot = await itemSlot('id int8 primary key, n int4 not null', {
      targetColumns: 'id int8, n int4 primary key',
    });
    await slot.sql('alter table source.item replica identity full');
    await slot.sql(`insert into source.item values (1, 1)`);
    await slot.sql('update source.item set n = 2');
    await slot.sql('update source.item set id = 3');
    await slot.sql('delete from source.item');
    expect(said(await slot.changes())).toEqual([
      { key: '[1]', after: '{"id":1,"n":1}', before },
      { key: '[1]', after: null, before },
      { key: '[2]', after: '{"id":1,"n":2}', before },
      { key: '[2]', after: '{"id":3,"n":2}', before },
      { key: '[2]', after: null, before },
    ]);
  });

  test('tells rows of tables without a key apart by what they hold', async () => {
    await using slot = await itemSlot('n numeric, long text');
    await slot.sql(storeOutside);
    await slot.sql('alter table source.item replica identity full');
    await slot.sql(`insert into source.item values (1.0, '${long}')`);
    await slot.sql(`update source.item set n = 2.50`);
    await slot.sql(`delete from source.item`);
    const row = (n: string): { key: string; text: string } => ({
      key: `[${n},"${long}"]`,
      text: `{"n":${n},"long":"${long}"}`,
    });
    const [first, second] = [row('1.0'), row('2.50')];
    const changes = await slot.changes();
    expect(said(changes)).toEqual([
      { key: first.key, after: first.text, before },
      { key: first.key, after: null, before: first.text },
      { key: second.key, after: second.text, before },
      { key: second.key, after: null, before: second.text },
    ]);
    expect(changes.map(({ keyColumns }) => keyColumns)).toEqual(
      changes.map(() => []),
    );
  });

  test('inserts into a table without a key need no replica identity, deletes do', async () => {
    await using slot = await itemSlot('id int8 primary key, n int4', {
      targetColumns: 'id int8, n int4',
    });
    await slot.sql(`insert into source.item values (1, null)`);
    expect(said(await slot.changes())).toEqual([
      { key: '[1,null]', after: '{"id":1,"n":null}', before },
    ]);
    await slot.sql('delete from source.item');
    expect((await failureOf(slot.changes())).code).toBe('E6011');
  });

  test('empties each table of a truncate that is replicated', async () => {
    await using slot = await itemSlot('id int8 primary key');
    await slot.sql(
      `create table source.child (item int8 references source.item)`,
    );
    await slot.sql(`create table target.child (item int8)`);
    await slot.sql(`create table source.other (id int8 primary key)`);
    await slot.refresh();
    await slot.sql('truncate source.item, source.other cascade');
    await slot.sql('truncate source.child restart identity');
    const changes = await slot.changes();
    expect(
      changes
        .map(({ table, mutation: { key, after, before: was } }) => [
          table,
          key,
          after,
          was,
        ])
        .toSorted((a, b) => String(a).localeCompare(String(b))),
    ).toEqual([
      ['child', '[]', null, null],
      ['child', '[]', null, 'true'],
      ['item', '[]', null, null],
    ]);
    expect(slot.decoder.skippedChangeCount).toBe(1);
  });

  test('sends what the target lacks under the source’s name, or drops and counts it', async () => {
    const columns = 'id int8 primary key, "Extra ü" text, n int4';
    const targetColumns = 'id int8 primary key, n int4';
    const insert = `insert into source.item values (1, 'é', 2)`;
    await using keeping = await itemSlot(columns, { targetColumns });
    await keeping.sql(insert);
    expect(said(await keeping.changes())).toEqual([
      { key: '[1]', after: '{"id":1,"Extra ü":"é","n":2}', before },
    ]);
    await using ignoring = await itemSlot(columns, {
      targetColumns,
      onUnknown: 'ignore',
    });
    await ignoring.sql(insert);
    expect(said(await ignoring.changes())).toEqual([
      { key: '[1]', after: '{"id":1,"n":2}', before },
    ]);
    expect(ignoring.decoder.ignoredValueCount).toBe(1);
  });

  test('follows changes of a table in the middle of a transaction', async () => {
    await using slot = await itemSlot('id int8 primary key, n int4');
    await slot.sql(`
      begin;
      insert into source.item values (1, 1);
      alter table source.item alter column n type text using 'n' || n;
      alter table source.item add column added bool;
      insert into source.item values (2, 'two', true);
      alter table source.item drop column added;
      alter table source.item rename column n to m;
      create type source.mood as enum ('fine');
      alter table source.item add column mood source.mood;
      insert into source.item values (3, null, 'fine');
      commit`);
    // Columns that were rewritten come again, into a table nobody knows.
    const changes = (await slot.changes()).filter(
      ({ table }) => table === 'item',
    );
    expect(said(changes)).toEqual([
      { key: '[1]', after: '{"id":1,"n":1}', before },
      { key: '[2]', after: '{"id":2,"n":"two","added":true}', before },
      { key: '[3]', after: '{"id":3,"m":null,"mood":"fine"}', before },
    ]);
  });

  test('takes tables that the target gets later once it is told', async () => {
    await using slot = await itemSlot('id int8 primary key');
    await slot.sql('create table source.late (id int8 primary key)');
    await slot.sql('insert into source.late values (1)');
    expect(await slot.changes()).toEqual([]);
    expect(slot.decoder.skippedChangeCount).toBe(1);
    await slot.sql('create table target.late (id int8 primary key)');
    await slot.refresh();
    await slot.sql('insert into source.late values (2)');
    expect(said(await slot.changes())).toEqual([
      { key: '[2]', after: '{"id":2}', before },
    ]);
  });
});
