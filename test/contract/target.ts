/**
 * What every target must do, written once. An engine's test file calls
 * {@link registerTargetContract} with a way to open a fresh, empty schema.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import type { Timestamp } from '../../src/mutation/timestamp.ts';
import { createApplier } from '../../src/target/applier.ts';
import { watchSchema } from '../../src/target/schema-watch.ts';
import type {
  ApplyOrder,
  SchemaShape,
  Target,
} from '../../src/target/target.ts';

export interface TargetFixture extends AsyncDisposable {
  readonly target: Target;
  readonly schema: SchemaName;
  /** Runs a statement with the schema as the default one. */
  sql(text: string): Promise<void>;
  /** All values as text, row by row. */
  rows(text: string): Promise<(string | null)[][]>;
  quote(name: string): string;
  /** Another target on the same schema. */
  reopen(options: {
    poolSize?: number;
    applyTimeoutMs?: number;
  }): Promise<Target>;
  /** Column definitions in the engine's words. */
  readonly ddl: {
    readonly integer: string;
    readonly text: string;
    readonly shortText: (length: number) => string;
    readonly decimal: string;
    readonly identityAlways: string;
    readonly identityByDefault: string;
    readonly generated: (expression: string) => string;
  };
  /** Longest table or column name, in bytes. */
  readonly maxNameBytes: number;
}

export function at(second: number): Timestamp {
  return `${String(1_700_000_000 + second).padStart(10, '0')}000000000.0000000000` as Timestamp;
}

/** A mutation as the source makes it: `row(1, [7], {id: '7'})`; digits stay text. */
export function row(
  second: number,
  key: readonly unknown[],
  after: Readonly<Record<string, string>> | null,
): Mutation {
  const members =
    after &&
    Object.entries(after).map(
      ([name, token]) => `${JSON.stringify(name)}: ${token}`,
    );
  return {
    time: at(second),
    key: `[${key.map((value) => (typeof value === 'string' ? value : String(value))).join(',')}]` as JsonText,
    after: members && (`{${members.join(', ')}}` as JsonText),
    before: null,
  };
}

export interface ApplyOptions {
  readonly collapse?: boolean;
  readonly order?: ApplyOrder;
  readonly target?: Target;
  readonly signal?: AbortSignal;
}

/** One transaction that applies mutations by table name. */
export async function applyTo(
  fixture: Pick<TargetFixture, 'target' | 'schema'>,
  changes: Readonly<Record<string, readonly Mutation[]>>,
  {
    collapse = true,
    order,
    target = fixture.target,
    signal,
  }: ApplyOptions = {},
): Promise<void> {
  const shape = await shapeOf(fixture);
  await using transaction = await target.begin(signal);
  await createApplier({ collapse }).apply(
    Object.entries(changes).map(([name, mutations]) => ({
      table: shape.tables.get(name)!,
      mutations,
    })),
    transaction,
    signal ?? new AbortController().signal,
    order,
  );
  await transaction.commit(null);
}

export async function shapeOf({
  target,
  schema,
}: Pick<TargetFixture, 'target' | 'schema'>): Promise<SchemaShape> {
  const shape = await target.introspect(schema);
  expect(shape).not.toBeNull();
  return shape!;
}

/** The failure that the work ends in. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<ReplicatorError> {
  const outcome = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(ReplicatorError);
  return outcome as ReplicatorError;
}

export function registerTargetContract(
  name: string,
  open: () => Promise<TargetFixture>,
): void {
  describe(`target contract: ${name}`, () => {
    test('inserts new rows, updates known ones and deletes', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, name ${text})`,
      );
      await applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', name: '"one"' }),
          row(1, [2], { id: '2', name: '"two"' }),
          row(1, [3], { id: '3', name: 'null' }),
        ],
      });
      await applyTo(fixture, {
        item: [
          row(2, [1], { id: '1', name: '"uno"' }),
          row(2, [2], null),
          row(2, [4], { id: '4', name: '"four"' }),
          row(2, [5], null),
        ],
      });
      expect(
        await fixture.rows('select id, name from item order by id'),
      ).toEqual([
        ['1', 'uno'],
        ['3', null],
        ['4', 'four'],
      ]);
    });

    test('applies the same batch twice without harm', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, name ${text})`,
      );
      const item = [
        row(1, [1], { id: '1', name: '"a"' }),
        row(2, [1], { id: '1', name: '"b"' }),
        row(2, [2], { id: '2', name: '"c"' }),
        row(3, [2], null),
      ];
      await applyTo(fixture, { item });
      await applyTo(fixture, { item }, { collapse: false });
      expect(await fixture.rows('select id, name from item')).toEqual([
        ['1', 'b'],
      ]);
    });

    test('writes only the columns that a row carries', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text}, b ${text}, c ${text})`,
      );
      await applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', a: '"a1"', b: '"b1"', c: '"c1"' }),
          row(1, [2], { id: '2', a: '"a2"', b: '"b2"', c: '"c2"' }),
          row(1, [3], { id: '3', a: '"a3"', b: '"b3"', c: '"c3"' }),
        ],
      });
      await applyTo(fixture, {
        item: [
          row(2, [1], { id: '1', b: '"B1"' }),
          row(2, [2], { c: '"C2"', id: '2' }),
          row(2, [3], { b: '"B3"', id: '3' }),
          row(3, [3], { id: '3', c: 'null' }),
        ],
      });
      expect(
        await fixture.rows('select id, a, b, c from item order by id'),
      ).toEqual([
        ['1', 'a1', 'B1', 'c1'],
        ['2', 'a2', 'b2', 'C2'],
        ['3', 'a3', 'B3', null],
      ]);
    });

    test('gives a column that an inserted row lacks its default, and leaves it alone afterwards', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text} default 'given', b ${text})`,
      );
      await applyTo(fixture, { item: [row(1, [1], { id: '1', b: '"x"' })] });
      await fixture.sql(`update item set a = 'changed'`);
      await applyTo(fixture, { item: [row(2, [1], { id: '1', b: '"y"' })] });
      expect(await fixture.rows('select id, a, b from item')).toEqual([
        ['1', 'changed', 'y'],
      ]);
    });

    test('gives a row that was deleted and came back sparse its defaults again', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text} default 'given', b ${text})`,
      );
      await fixture.sql(`insert into item values (1, 'old', 'old')`);
      await applyTo(fixture, {
        item: [row(2, [1], null), row(3, [1], { id: '1' })],
      });
      expect(await fixture.rows('select id, a, b from item')).toEqual([
        ['1', 'given', null],
      ]);
    });

    test('takes the key from the key when the row does not repeat it', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (a ${integer}, b ${integer}, c ${text}, primary key (b, a))`,
      );
      await applyTo(fixture, { item: [row(1, [2, 1], { c: '"x"' })] });
      expect(await fixture.rows('select a, b, c from item')).toEqual([
        ['1', '2', 'x'],
      ]);
    });

    test('drops generated columns and writes identity columns', async () => {
      await using fixture = await open();
      const { integer, identityAlways, identityByDefault, generated } =
        fixture.ddl;
      await fixture.sql(
        `create table always_item (id ${integer} ${identityAlways} primary key, n ${integer}, twice ${integer} ${generated('n * 2')})`,
      );
      await fixture.sql(
        `create table default_item (id ${integer} ${identityByDefault} primary key, n ${integer})`,
      );
      await applyTo(fixture, {
        always_item: [row(1, [41], { id: '41', n: '7', twice: '999' })],
        default_item: [row(1, [42], { id: '42', n: '8' })],
      });
      await applyTo(fixture, {
        always_item: [row(2, [41], { id: '41', n: '9', twice: '0' })],
        default_item: [row(2, [42], { id: '42', n: '10' })],
      });
      expect(
        await fixture.rows('select id, n, twice from always_item'),
      ).toEqual([['41', '9', '18']]);
      expect(await fixture.rows('select id, n from default_item')).toEqual([
        ['42', '10'],
      ]);
    });

    test('changes an identity column that is not the key, and keeps what the row does not carry', async () => {
      await using fixture = await open();
      const { integer, text, identityAlways } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, serial ${integer} ${identityAlways}, a ${text}, b ${text})`,
      );
      await applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', serial: '100', a: '"a"', b: '"b"' }),
          row(1, [2], { id: '2', serial: '200', a: '"a"', b: '"b"' }),
        ],
      });
      await applyTo(fixture, {
        item: [
          row(2, [1], { id: '1', serial: '101', a: '"A"' }),
          row(2, [2], { id: '2', serial: '200', a: '"A"' }),
        ],
      });
      expect(
        await fixture.rows('select id, serial, a, b from item order by id'),
      ).toEqual([
        ['1', '101', 'A', 'b'],
        ['2', '200', 'A', 'b'],
      ]);
    });

    test('keeps tables that are nothing but their key', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(
        `create table pair (b ${integer}, a ${integer}, primary key (a, b))`,
      );
      await applyTo(fixture, {
        pair: [
          row(1, [1, 2], { a: '1', b: '2' }),
          row(1, [1, 3], { a: '1', b: '3' }),
        ],
      });
      await applyTo(fixture, {
        pair: [row(2, [1, 2], { a: '1', b: '2' }), row(2, [1, 3], null)],
      });
      expect(await fixture.rows('select a, b from pair')).toEqual([['1', '2']]);
    });

    test('lists a table without a primary key, and refuses to write to it', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(`create table heap (a ${integer})`);
      const heap = (await shapeOf(fixture)).tables.get('heap')!;
      expect(heap.primaryKey).toEqual([]);
      const failure = await failureOf(
        applyTo(fixture, { heap: [row(1, [1], { a: '1' })] }),
      );
      expect(failure.disposition).toBe('halt');
    });

    test('writes parents before children and deletes children before parents', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(`create table top (id ${integer} primary key)`);
      await fixture.sql(
        `create table lft (id ${integer} primary key, top ${integer} references top (id))`,
      );
      await fixture.sql(
        `create table rgt (id ${integer} primary key, top ${integer} references top (id))`,
      );
      await fixture.sql(
        `create table bottom (id ${integer} primary key, l ${integer} references lft (id), r ${integer} references rgt (id), self ${integer} references bottom (id))`,
      );
      const written = {
        bottom: [
          row(1, [1], { id: '1', l: '1', r: '1', self: '2' }),
          row(1, [2], { id: '2', l: '1', r: '1', self: '1' }),
        ],
        rgt: [row(1, [1], { id: '1', top: '1' })],
        lft: [row(1, [1], { id: '1', top: '1' })],
        top: [row(1, [1], { id: '1' })],
      };
      await applyTo(fixture, written);
      await applyTo(fixture, {
        top: [row(2, [1], null), row(2, [2], { id: '2' })],
        lft: [row(2, [1], { id: '1', top: '2' })],
        rgt: [row(2, [1], { id: '1', top: '2' })],
      });
      expect(await fixture.rows('select id from top')).toEqual([['2']]);
      await applyTo(fixture, {
        top: [row(3, [2], null)],
        rgt: [row(3, [1], null)],
        lft: [row(3, [1], null)],
        bottom: [row(3, [1], null), row(3, [2], null)],
      });
      expect(await fixture.rows('select id from bottom')).toEqual([]);
      expect(await fixture.rows('select id from top')).toEqual([]);
    });

    test('a missing parent is a failure to defer, and writes nothing', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(`create table parent (id ${integer} primary key)`);
      await fixture.sql(
        `create table child (id ${integer} primary key, parent ${integer} references parent (id))`,
      );
      const failure = await failureOf(
        applyTo(fixture, {
          parent: [row(1, [1], { id: '1' })],
          child: [row(1, [1], { id: '1', parent: '99' })],
        }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
      expect(await fixture.rows('select id from parent')).toEqual([]);
    });

    test('hands a unique value from a deleted row to a new one when deletes go first', async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, code ${shortText(20)} not null unique)`,
      );
      await applyTo(fixture, { item: [row(1, [1], { id: '1', code: '"x"' })] });
      const handover = {
        item: [row(2, [1], null), row(2, [2], { id: '2', code: '"x"' })],
      };
      const failure = await failureOf(applyTo(fixture, handover));
      expect([failure.code, failure.disposition]).toEqual(['E4013', 'defer']);
      await applyTo(fixture, handover, { order: 'deletes-first' });
      expect(await fixture.rows('select id, code from item')).toEqual([
        ['2', 'x'],
      ]);
    });

    test('swaps unique values between rows when deletes go first', async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, code ${shortText(20)} unique)`,
      );
      await fixture.sql(
        `create table child (id ${integer} primary key, item ${integer} references item (id) on delete cascade)`,
      );
      await applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', code: '"x"' }),
          row(1, [2], { id: '2', code: '"y"' }),
        ],
        child: [row(1, [1], { id: '1', item: '1' })],
      });
      const swap = {
        item: [
          row(2, [1], { id: '1', code: '"y"' }),
          row(2, [2], { id: '2', code: '"x"' }),
        ],
      };
      expect((await failureOf(applyTo(fixture, swap))).code).toBe('E4013');
      await applyTo(fixture, swap, { order: 'deletes-first' });
      expect(
        await fixture.rows('select id, code from item order by id'),
      ).toEqual([
        ['1', 'y'],
        ['2', 'x'],
      ]);
      expect(await fixture.rows('select id, item from child')).toEqual([
        ['1', '1'],
      ]);
    });

    test('never touches a stranger that holds a unique value', async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, code ${shortText(20)} unique)`,
      );
      await fixture.sql(`insert into item values (9, 'taken')`);
      for (const order of ['upserts-first', 'deletes-first'] as const) {
        const failure = await failureOf(
          applyTo(
            fixture,
            { item: [row(1, [1], { id: '1', code: '"taken"' })] },
            { order },
          ),
        );
        expect(failure.code).toBe('E4013');
      }
      expect(await fixture.rows('select id, code from item')).toEqual([
        ['9', 'taken'],
      ]);
      expect((await shapeOf(fixture)).tables.get('item')!.uniqueKeys).toEqual([
        ['code'],
      ]);
    });

    test('applies source times one after the other without collapse', async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, code ${shortText(20)} not null unique)`,
      );
      await applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', code: '"x"' }),
          row(1, [2], { id: '2', code: '"y"' }),
        ],
      });
      const throughThird = {
        item: [
          row(2, [1], { id: '1', code: '"tmp"' }),
          row(3, [2], { id: '2', code: '"x"' }),
          row(4, [1], { id: '1', code: '"y"' }),
        ],
      };
      await applyTo(fixture, throughThird, { collapse: false });
      expect(
        await fixture.rows('select id, code from item order by id'),
      ).toEqual([
        ['1', 'y'],
        ['2', 'x'],
      ]);
    });

    test('digits of any size arrive unchanged', async () => {
      await using fixture = await open();
      const { integer, decimal } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, d ${decimal})`,
      );
      const digits = `${'1234567890'.repeat(3)}.5`;
      await applyTo(fixture, {
        item: [
          row(1, ['9223372036854775807'], {
            id: '9223372036854775807',
            d: digits,
          }),
          row(1, ['-9223372036854775808'], {
            id: '-9223372036854775808',
            d: `-${digits}`,
          }),
        ],
      });
      const stored = await fixture.rows('select id, d from item order by id');
      expect(stored.map(([id]) => id)).toEqual([
        '-9223372036854775808',
        '9223372036854775807',
      ]);
      expect(stored.map(([, d]) => d!.replace(/0+$/, ''))).toEqual([
        `-${digits}`,
        digits,
      ]);
    });

    test('any name of a table or a column is only a name', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      const nameOf = fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 16 })
        .filter((value) => !value.includes('\0') && value.isWellFormed())
        .filter((value) => Buffer.byteLength(value) <= fixture.maxNameBytes);
      const hostile = fc.constantFrom(
        `";drop table x;--`,
        `a"b`,
        `'`,
        `\\`,
        '$1',
        '$$',
        'a.b',
        'select',
        'user',
        'Mixed Case',
        'ÄÖ',
        '表',
        'v',
        't',
        'c1',
        'excluded',
        'id\n',
        'x'.repeat(fixture.maxNameBytes),
        '__proto__',
        'constructor',
      );
      let count = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(hostile, nameOf),
          fc.uniqueArray(fc.oneof(hostile, nameOf), {
            minLength: 2,
            maxLength: 4,
          }),
          async (table, columns) => {
            count += 1;
            const [key, ...others] = columns as [string, ...string[]];
            const quoted = fixture.quote(table);
            await fixture.sql(
              `create table ${quoted} (${fixture.quote(key)} ${integer} primary key, ${others.map((column) => `${fixture.quote(column)} ${text}`).join(', ')})`,
            );
            const after = Object.fromEntries([
              [key, String(count)],
              ...others.map((column) => [column, JSON.stringify(column)]),
            ]) as Record<string, string>;
            // Object.fromEntries makes an own property of any name.
            await applyTo(fixture, {
              [table]: [row(1, [count], after)],
            } as never);
            await applyTo(fixture, {
              [table]: [row(2, [count], after), row(2, [0], null)],
            } as never);
            const names = columns
              .map((column) => fixture.quote(column))
              .join(', ');
            const stored = await fixture.rows(`select ${names} from ${quoted}`);
            await fixture.sql(`drop table ${quoted}`);
            expect(stored).toEqual([[String(count), ...others]]);
          },
        ),
        { numRuns: 40 },
      );
    });

    test('a row of 1 MiB and a batch of 10 000 rows cross', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, body ${text})`,
      );
      const big = 'ä"\\\n'.repeat(256 * 1024);
      await applyTo(fixture, {
        item: [
          row(1, [0], { id: '0', body: JSON.stringify(big) }),
          ...Array.from({ length: 10_000 }, (_, index) =>
            row(1, [index + 1], { id: String(index + 1), body: '"small"' }),
          ),
        ],
      });
      const [stored] = await fixture.rows('select body from item where id = 0');
      expect(stored![0] === big).toBe(true);
      expect(await fixture.rows('select count(*) from item')).toEqual([
        ['10001'],
      ]);
      await applyTo(fixture, {
        item: Array.from({ length: 10_001 }, (_, index) =>
          row(2, [index], null),
        ),
      });
      expect(await fixture.rows('select count(*) from item')).toEqual([['0']]);
    });

    test('a table of 1000 columns is a table', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      const columns = Array.from({ length: 999 }, (_, index) => `c${index}`);
      await fixture.sql(
        `create table wide (id ${integer} primary key, ${columns.map((column) => `${column} ${integer}`).join(', ')})`,
      );
      const after = (value: string): Record<string, string> =>
        Object.fromEntries([
          ['id', '1'],
          ...columns.map((column) => [column, value]),
        ]) as Record<string, string>;
      await applyTo(fixture, { wide: [row(1, [1], after('1'))] });
      await applyTo(fixture, { wide: [row(2, [1], after('2'))] });
      expect(await fixture.rows('select c0, c500, c998 from wide')).toEqual([
        ['2', '2', '2'],
      ]);
    });

    test('a value that does not fit is refused, never cut', async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, code ${shortText(3)})`,
      );
      const failure = await failureOf(
        applyTo(fixture, {
          item: [
            row(1, [1], { id: '1', code: '"fits"' }),
            row(1, [2], { id: '2', code: '"ok"' }),
          ],
        }),
      );
      expect([failure.code, failure.disposition]).toEqual([
        'E4006',
        'set-aside',
      ]);
      expect(failure.line).not.toContain('fits');
      expect(await fixture.rows('select * from item')).toEqual([]);
    });

    test('a column that the target does not have halts, for its values would be lost', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(`create table item (id ${integer} primary key)`);
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1', gone: '2' })] }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4012', 'halt']);
      expect(failure.message).toContain('"gone"');
    });

    test('a statement whose table has changed asks for another look at the schema', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text})`,
      );
      const table = (await shapeOf(fixture)).tables.get('item')!;
      await fixture.sql('alter table item drop column a');
      await using transaction = await fixture.target.begin();
      const failure = await failureOf(
        createApplier({ collapse: true }).apply(
          [{ table, mutations: [row(1, [1], { id: '1', a: '"x"' })] }],
          transaction,
          new AbortController().signal,
        ),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4011', 'retry']);
    });

    test('what is not committed is rolled back', async () => {
      await using fixture = await open();
      const { integer } = fixture.ddl;
      await fixture.sql(`create table item (id ${integer} primary key)`);
      const table = (await shapeOf(fixture)).tables.get('item')!;
      {
        await using transaction = await fixture.target.begin();
        await createApplier({ collapse: true }).apply(
          [{ table, mutations: [row(1, [1], { id: '1' })] }],
          transaction,
          new AbortController().signal,
        );
      }
      expect(await fixture.rows('select id from item')).toEqual([]);
      expect(fixture.target.poolCounts()).toMatchObject({ idle: 1, total: 1 });
    });

    test('an abort cancels the running statement and rolls back', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text})`,
      );
      await fixture.sql(`insert into item values (1, 'held')`);
      // One transaction waits for the row that the other holds.
      const table = (await shapeOf(fixture)).tables.get('item')!;
      await using holder = await fixture.target.begin();
      const applier = createApplier({ collapse: true });
      const never = new AbortController().signal;
      await applier.apply(
        [{ table, mutations: [row(1, [1], { id: '1', a: '"holder"' })] }],
        holder,
        never,
      );
      const abort = new AbortController();
      const waiting = applyTo(
        fixture,
        {
          item: [
            row(2, [2], { id: '2' }),
            row(2, [1], { id: '1', a: '"waiter"' }),
          ],
        },
        { signal: abort.signal },
      );
      const outcome = waiting.catch((error: unknown) => error);
      await new Promise((resolve) => setTimeout(resolve, 100));
      abort.abort();
      expect(await outcome).toMatchObject({ name: 'AbortError' });
      await holder.commit(null);
      expect(await fixture.rows('select id, a from item')).toEqual([
        ['1', 'holder'],
      ]);
      expect(fixture.target.poolCounts().waiting).toBe(0);
    });

    test('a statement that outlasts the timeout is a failure to retry', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(
        `create table item (id ${integer} primary key, a ${text})`,
      );
      await fixture.sql(`insert into item values (1, 'held')`);
      await using hasty = await fixture.reopen({ applyTimeoutMs: 200 });
      const table = (await shapeOf(fixture)).tables.get('item')!;
      await using holder = await fixture.target.begin();
      await createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(1, [1], { id: '1', a: '"x"' })] }],
        holder,
        new AbortController().signal,
      );
      const failure = await failureOf(
        applyTo(
          fixture,
          { item: [row(2, [1], { id: '1', a: '"y"' })] },
          { target: hasty },
        ),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4003', 'retry']);
    });

    test('the pool never opens more connections than it may', async () => {
      await using fixture = await open();
      await using target = await fixture.reopen({ poolSize: 2 });
      const first = await target.begin();
      const second = await target.begin();
      const third = target.begin();
      await target.ping(AbortSignal.abort()).catch(() => {});
      expect(target.poolCounts()).toMatchObject({
        total: 2,
        idle: 0,
        waiting: 1,
      });
      const gaveUp = target
        .begin(AbortSignal.timeout(50))
        .catch((error: unknown) => error);
      expect(await gaveUp).toMatchObject({ name: 'TimeoutError' });
      await first[Symbol.asyncDispose]();
      await using late = await third;
      expect(target.poolCounts()).toMatchObject({
        total: 2,
        idle: 0,
        waiting: 0,
        dialCount: 2,
      });
      await late.commit(null);
      await second[Symbol.asyncDispose]();
    });

    test('sees tables and columns that come while it watches', async () => {
      await using fixture = await open();
      const { integer, text } = fixture.ddl;
      await fixture.sql(`create table item (id ${integer} primary key)`);
      const seen: string[][] = [];
      await using watch = watchSchema(fixture.target, fixture.schema, {
        refreshMs: 0,
        signal: new AbortController().signal,
        onChange: (shape) =>
          seen.push(
            [...shape.tables.values()].map(
              (table) =>
                `${table.name}(${table.columns.map((column) => column.name).join(',')})`,
            ),
          ),
      });
      await watch.refresh();
      await watch.refresh();
      await fixture.sql(`alter table item add column a ${text}`);
      await watch.refresh();
      await fixture.sql(`create table later (id ${integer} primary key)`);
      await watch.refresh();
      expect(seen).toEqual([
        ['item(id)'],
        ['item(id,a)'],
        ['item(id,a)', 'later(id)'],
      ]);
    });

    test('a schema that is not there is null', async () => {
      await using fixture = await open();
      expect(
        await fixture.target.introspect('nowhere.at_all' as SchemaName),
      ).toBeNull();
    });

    test('moves the watermark in the transaction of the rows', async () => {
      await using fixture = await open();
      const { target, schema } = fixture;
      await fixture.sql(
        `create table item (id ${fixture.ddl.integer} primary key)`,
      );
      expect(await target.checkpoint(schema)).toBeNull();
      const claimed = await target.claimCheckpoint(schema);
      expect(claimed).toEqual({
        applied: '0000000000000000000.0000000000',
        epoch: 1,
      });
      {
        await using transaction = await target.begin();
        await transaction.commit({
          schema,
          checkpoint: { applied: at(5), epoch: 1 },
        });
      }
      expect(await target.checkpoint(schema)).toEqual({
        applied: at(5),
        epoch: 1,
      });
      expect([...(await shapeOf(fixture)).tables.keys()]).toEqual(['item']);
    });

    test('an old holder of the watermark commits nothing', async () => {
      await using fixture = await open();
      const { target, schema } = fixture;
      await fixture.sql(
        `create table item (id ${fixture.ddl.integer} primary key)`,
      );
      const old = (await target.claimCheckpoint(schema))!;
      await using young = await fixture.reopen({});
      expect(await young.claimCheckpoint(schema)).toEqual({
        ...old,
        epoch: old.epoch + 1,
      });
      const table = (await shapeOf(fixture)).tables.get('item')!;
      await using transaction = await target.begin();
      await createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(1, [1], { id: '1' })] }],
        transaction,
        new AbortController().signal,
      );
      const failure = await failureOf(
        transaction.commit({
          schema,
          checkpoint: { applied: at(5), epoch: old.epoch },
        }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4009', 'halt']);
      expect(await fixture.rows('select id from item')).toEqual([]);
      expect(await target.checkpoint(schema)).toEqual({
        ...old,
        epoch: old.epoch + 1,
      });
    });
  });
}
