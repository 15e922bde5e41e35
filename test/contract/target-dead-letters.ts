/** Cases of the target contract: dead letters. */
import { expect } from 'vitest';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import type {
  DeadLetterBox,
  NewDeadLetter,
} from '../../src/target/dead-letters.ts';
import type { TargetTransaction } from '../../src/target/target.ts';
import {
  type RegisterCase,
  type TargetFixture,
  at,
  failureOf,
  row,
} from './target-fixture.ts';

const tableName = 'replicator_dlq';

function letter(
  mutation: Mutation,
  changes: Partial<NewDeadLetter> = {},
): NewDeadLetter {
  return {
    table: 'item',
    keyColumns: ['id'],
    mutation,
    code: 'E4006',
    cause: 'the value does not fit',
    ...changes,
  };
}

async function inTransaction<T>(
  fixture: TargetFixture,
  work: (box: DeadLetterBox, transaction: TargetTransaction) => Promise<T>,
  name = tableName,
): Promise<T> {
  await using transaction = await fixture.target.begin();
  const result = await work(
    transaction.deadLetters(fixture.schema, name),
    transaction,
  );
  await transaction.commit(null);
  return result;
}

const keysOf = (letters: readonly { mutation: Mutation }[]): string[] =>
  letters.map(({ mutation }) => mutation.key);

const longText = JSON.stringify('long '.repeat(20_000));

export function registerDeadLettersCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('a dead letter is read as it was written, to the digit', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    const letters: NewDeadLetter[] = [
      letter({
        time: at(1),
        key: '[1]' as JsonText,
        after:
          '{"id": 1,  "a": 1.500e+07, "b": "\\u0000\\ud83d\\ude00 ä \\\\ \' ? :1", "n": 90071992547409921234567890.10}' as JsonText,
        before: `{"id": 1, "a": ${longText}}` as JsonText,
      }),
      letter(
        {
          time: '9223372036854775807.2147483647' as never,
          key: `["${'k'.repeat(5000)} "]` as JsonText,
          after: null,
          before: null,
          movedFrom: '["😀"]' as JsonText,
        },
        {
          table: `it"em's [ü]`,
          keyColumns: ['a"b', 'ß'],
          code: 'E4005',
          cause: `refused: '"\\ ${'x'.repeat(5000)}`,
        },
      ),
      letter(
        { time: at(2), key: '[1,2]' as JsonText, after: null, before: null },
        { keyColumns: [], cause: '' },
      ),
    ];
    await inTransaction(fixture, (box) => box.add(letters));
    const listed = await dead.list({}, 10, null);
    expect(
      listed.map(
        ({ id: _i, createdAt: _c, supersededAt: _s, ...each }) => each,
      ),
    ).toEqual(letters);
    expect(listed.map(({ supersededAt }) => supersededAt)).toEqual([
      null,
      null,
      null,
    ]);
    for (const { createdAt } of listed) {
      expect(Math.abs(createdAt.getTime() - Date.now())).toBeLessThan(600_000);
    }
  });

  test('letters of any name of a table, and a dead-letter table of any name, are told apart', async () => {
    await using fixture = await open();
    for (const name of [`d"l'q`, 'd`l]q', 'select', 'Ölq $1 %s'].filter(
      (each) => fixture.names.isPossible(each),
    )) {
      await fixture.allowDeadLetters?.(name);
      const dead = fixture.target.deadLetters(fixture.schema, name);
      await dead.prepare();
      await inTransaction(
        fixture,
        (box) =>
          box.add([
            letter(row(1, [1], { id: '1' }), { table: 'a' }),
            letter(row(1, [1], { id: '1' }), { table: 'A' }),
          ]),
        name,
      );
      expect(await dead.openKeys()).toEqual(
        new Map([
          ['a', new Set(['[1]'])],
          ['A', new Set(['[1]'])],
        ]),
      );
      const locked = await inTransaction(
        fixture,
        (box) => box.lockKeys('b', ['[1]' as JsonText]),
        name,
      );
      expect(locked).toEqual(new Map());
    }
  });

  test('without a table there are no dead letters; making it twice, or at once, is no matter', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    expect(await dead.openKeys()).toEqual(new Map());
    expect(await dead.list({}, 10, null)).toEqual([]);
    expect(await dead.count({})).toBe(0);
    await Promise.all([1, 2, 3, 4].map(() => dead.prepare()));
    await dead.prepare();
    expect(await dead.count({})).toBe(0);
  });

  test('the dead-letter table is no table of the schema', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    await fixture.target.deadLetters(fixture.schema, tableName).prepare();
    const shape = await fixture.target.introspect(fixture.schema);
    expect([...shape!.tables.keys()]).toEqual(['item']);
  });

  test('letters come and go with their transaction', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    {
      await using transaction = await fixture.target.begin();
      await transaction
        .deadLetters(fixture.schema, tableName)
        .add([letter(row(1, [1], { id: '1' }))]);
    }
    expect(await dead.count({})).toBe(0);
    await inTransaction(fixture, async (box) => {
      // In call order: the second sees what the first wrote.
      const added = box.add([
        letter(row(1, [1], { id: '1' })),
        letter(row(2, [1], { id: '1' })),
        letter(row(2, [2], { id: '2' })),
      ]);
      const locked = box.lockKeys('item', [
        '[1]' as JsonText,
        '[3]' as JsonText,
      ]);
      await added;
      expect(await locked).toEqual(new Map([['[1]', at(2)]]));
    });
    expect(await dead.count({})).toBe(3);
  });

  test('a few hundred letters with long rows are written and locked at once', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    const letters = Array.from({ length: 450 }, (_, index) =>
      letter(
        row(index, [index], {
          id: String(index),
          a: index % 20 === 0 ? longText : '1',
        }),
      ),
    );
    const keys = letters.map(({ mutation }) => mutation.key);
    await inTransaction(fixture, async (box) => {
      await box.add(letters);
      const locked = await box.lockKeys('item', keys);
      expect([...locked.keys()].toSorted()).toEqual(keys.toSorted());
      expect(locked.get('[449]' as JsonText)).toBe(at(449));
    });
    const listed = await dead.list({}, 1000, null);
    expect(keysOf(listed)).toEqual(keys);
    expect(listed.map(({ mutation }) => mutation)).toEqual(
      letters.map(({ mutation }) => mutation),
    );
    await inTransaction(fixture, async (box) => {
      const ids = listed.map(({ id }) => id);
      expect(await box.take(ids.toReversed())).toEqual(listed);
      await box.remove(ids);
    });
    expect(await dead.count({ includeSuperseded: true })).toBe(0);
  });

  test('letters that one transaction has locked another waits for, and for no others', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    const keys = Array.from(
      { length: 20 },
      (_, index) => `[${index}]` as JsonText,
    );
    await inTransaction(fixture, (box) =>
      box.add(keys.map((key) => letter({ ...row(1, [0], { id: '1' }), key }))),
    );
    const ids = new Map(
      (await dead.list({}, 100, null)).map((each) => [
        each.mutation.key,
        each.id,
      ]),
    );
    const id = (key: string): string => ids.get(key as JsonText)!;
    const holder = await fixture.target.begin();
    await using _ = holder;
    let isReleased = false;
    const held = holder.deadLetters(fixture.schema, tableName);
    await held.lockKeys('item', ['[3]' as JsonText, '[4]' as JsonText]);
    await held.take([id('[5]')]);
    // Neighbours are free, and so is another table.
    await inTransaction(fixture, async (box) => {
      const others = keys.filter((key) => !/[345]/.test(key));
      expect(await box.lockKeys('item', others)).toEqual(
        new Map(others.map((key) => [key, at(1)])),
      );
      expect(await box.take([id('[6]')])).toHaveLength(1);
      await box.supersede('item', ['[7]' as JsonText]);
      await box.remove([id('[8]'), id('[9]')]);
      await box.add([letter(row(1, [99], { id: '99' }))]);
    });
    const waits: readonly ((box: DeadLetterBox) => Promise<unknown>)[] = [
      (box) => box.take([id('[3]')]),
      (box) => box.lockKeys('item', ['[5]' as JsonText]),
      (box) => box.lockKeys('item', ['[4]' as JsonText]),
    ];
    const waiting: Promise<unknown>[] = [];
    for (const wait of waits) {
      const waiter = await fixture.target.begin();
      const box = waiter.deadLetters(fixture.schema, tableName);
      waiting.push(
        wait(box).then(async (result) => {
          expect(isReleased).toBe(true);
          await waiter[Symbol.asyncDispose]();
          return result;
        }),
      );
      await expect
        .poll(() => waiter.waitsForLock(), { timeout: 30_000 })
        .not.toBe(false);
    }
    await held.remove([id('[3]'), id('[5]')]);
    isReleased = true;
    await holder.commit(null);
    // Some went while they were waited for.
    expect(await Promise.all(waiting)).toEqual([
      [],
      new Map(),
      new Map([['[4]', at(1)]]),
    ]);
  });

  test('superseded letters are open no longer, and are there still', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    await inTransaction(fixture, (box) =>
      box.add([
        letter(row(1, [1], { id: '1' })),
        letter(row(2, [2], { id: '2' })),
        letter(row(3, [3], { id: '3' })),
        letter(row(4, [1], { id: '1' }), { table: 'other' }),
      ]),
    );
    await inTransaction(fixture, (box) =>
      box.supersede('item', ['[1]' as JsonText, '[9]' as JsonText]),
    );
    expect(await dead.openKeys()).toEqual(
      new Map([
        ['item', new Set(['[2]', '[3]'])],
        ['other', new Set(['[1]'])],
      ]),
    );
    const all = await dead.list({ includeSuperseded: true }, 10, null);
    expect(all.map(({ supersededAt }) => supersededAt !== null)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    await inTransaction(fixture, async (box) => {
      expect(await box.lockKeys('item', ['[1]' as JsonText])).toEqual(
        new Map(),
      );
      await box.supersedeTable('item');
    });
    expect(await dead.openKeys()).toEqual(
      new Map([['other', new Set(['[1]'])]]),
    );
    expect(await dead.count({})).toBe(1);
    expect(await dead.count({ includeSuperseded: true })).toBe(4);
  });

  test('open letters are told what stands in their way by now, and no others', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    await inTransaction(fixture, (box) =>
      box.add([
        letter(row(1, [1], { id: '1' })),
        letter(row(1, [2], { id: '2' })),
        letter(row(1, [3], { id: '3' })),
      ]),
    );
    const [first, second] = await dead.list({}, 10, null);
    await inTransaction(fixture, async (box) => {
      await box.lockKeys('item', [second!.mutation.key]);
      await box.supersede('item', [second!.mutation.key]);
      await box.explain([first!.id, second!.id], {
        code: 'E4004',
        cause: `it's ? :1 @p0 ${'long '.repeat(2_000)}`,
      });
    });
    const all = await dead.list({ includeSuperseded: true }, 10, null);
    expect(all.map(({ code }) => code)).toEqual(['E4004', 'E4006', 'E4006']);
    expect(all[0]!.cause).toBe(`it's ? :1 @p0 ${'long '.repeat(2_000)}`);
  });

  test('letters are found by each part of a filter, page by page', async () => {
    await using fixture = await open();
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    await dead.prepare();
    const late = {
      ...row(5, [4], null),
      time: `${at(5).slice(0, 20)}0000000003`,
    };
    await inTransaction(fixture, (box) =>
      box.add([
        letter(row(1, [1], null)),
        letter(row(2, [2], null), { code: 'E4005' }),
        letter(row(3, [1], null), { table: 'other' }),
        letter(late as Mutation),
        letter(row(6, [5], null)),
      ]),
    );
    const all = await dead.list({}, 10, null);
    const found = async (
      filter: Parameters<typeof dead.list>[0],
    ): Promise<string[]> => {
      const letters = await dead.list(filter, 10, null);
      expect(await dead.count(filter)).toBe(letters.length);
      return keysOf(letters);
    };
    expect(await found({ table: 'item' })).toEqual([
      '[1]',
      '[2]',
      '[4]',
      '[5]',
    ]);
    expect(await found({ code: 'E4005' })).toEqual(['[2]']);
    expect(await found({ key: '[1]' as JsonText })).toEqual(['[1]', '[1]']);
    expect(await found({ from: at(3), through: late.time as never })).toEqual([
      '[1]',
      '[4]',
    ]);
    expect(await found({ through: at(5) })).toEqual(['[1]', '[2]', '[1]']);
    expect(
      await found({ ids: [all[4]!.id, all[0]!.id, '123456789', 'x', ''] }),
    ).toEqual(['[1]', '[5]']);
    expect(await found({ ids: [] })).toEqual([]);
    const page = await dead.list({ table: 'item' }, 2, null);
    expect(keysOf(page)).toEqual(['[1]', '[2]']);
    expect(keysOf(await dead.list({ table: 'item' }, 2, page[1]!.id))).toEqual([
      '[4]',
      '[5]',
    ]);
  });

  test('a dead-letter table of the peer is told what it lacks, and its rows are left alone', async () => {
    await using fixture = await open();
    const { integer, smallInteger, shortText, text, identityByDefault } =
      fixture.ddl;
    await fixture.sql(
      `create table replicator_dlq (event ${integer} ${identityByDefault} primary key, dlq_name ${shortText(50)} not null, source_nanos ${integer} not null, source_logical ${smallInteger} not null, data_after ${text}, data_before ${text})`,
    );
    await fixture.sql(
      `insert into replicator_dlq (dlq_name, source_nanos, source_logical, data_after) values ('merge', 1, 2, '{}')`,
    );
    const dead = fixture.target.deadLetters(fixture.schema, tableName);
    expect(await dead.openKeys()).toEqual(new Map());
    expect(await dead.count({})).toBe(0);
    const failure = await failureOf(dead.prepare());
    expect([failure.code, failure.disposition]).toEqual(['E4019', 'halt']);
    expect(failure.message).toContain('lacks table_name, row_key');
    await fixture.sql(failure.remedy.slice(failure.remedy.indexOf('\n') + 1));
    await dead.prepare();
    await inTransaction(fixture, (box) =>
      box.add([letter(row(1, [1], { id: '1' }))]),
    );
    expect(
      keysOf(await dead.list({ includeSuperseded: true }, 10, null)),
    ).toEqual(['[1]']);
    await inTransaction(fixture, async (box) => {
      await box.supersedeTable('item');
      expect(await box.take(['1'])).toEqual([]);
      await box.remove(['1']);
    });
    expect(
      await fixture.rows('select dlq_name from replicator_dlq order by event'),
    ).toEqual([['merge'], ['replicator']]);
  });

  test('a table that only has the name of the dead-letter table is refused', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table replicator_dlq (id ${integer} primary key)`,
    );
    const failure = await failureOf(
      fixture.target.deadLetters(fixture.schema, tableName).prepare(),
    );
    expect(failure.code).toBe('E4019');
    expect(failure.message).toContain('event, dlq_name');
    expect(failure.remedy).toContain('--dlqTableName');
    expect(failure.remedy).toContain('create table');
  });
}
