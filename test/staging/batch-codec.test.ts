import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../src/mutation/mutation.ts';
import { byVersion, versionOf } from '../../src/mutation/row-version.ts';
import { timeBucket } from '../../src/mutation/timestamp.ts';
import {
  decodeEntry,
  decodeTable,
  encodeEntries,
} from '../../src/staging/batch-codec.ts';
import { placeStride } from '../../src/staging/staging.ts';
import { at, row, schema, staged } from '../contract/staging-place.ts';

const text = fc
  .oneof(
    fc.constant(''),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.constantFrom('-', '=', '1,2,3:', '"\\ud800"', '\u0000', 'é'.repeat(500)),
  )
  .map((value) => value as JsonText);

const fields = {
  time: fc
    .tuple(fc.nat(3), fc.nat(3))
    .map(([second, step]) => at(second, step)),
  key: text,
  after: fc.option(text),
  before: fc.option(text),
};

/** Some feeds tell of moves, and most do not; of a scan rows came under other times. */
const mutations: fc.Arbitrary<Mutation[]> = fc.oneof(
  fc.array(fc.record(fields), { maxLength: 20 }),
  fc.array(
    fc.record(
      { ...fields, movedFrom: text },
      { requiredKeys: ['time', 'key', 'after', 'before'] },
    ),
    { maxLength: 20 },
  ),
  fc.array(
    fc.record(
      { ...fields, movedFrom: text, cameAt: fields.time },
      { requiredKeys: ['time', 'key', 'after', 'before'] },
    ),
    { maxLength: 20 },
  ),
);

const tables: fc.Arbitrary<TableMutations[]> = fc.array(
  fc.record(
    {
      table: fc.string(),
      keyColumns: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
      mutations,
    },
    { requiredKeys: ['table', 'mutations'] },
  ),
  { maxLength: 3 },
);

describe('encoding', () => {
  test('what comes back is what went in, each table by version and stably', () => {
    fc.assert(
      fc.property(tables, (input) => {
        const entries = encodeEntries(schema, input);
        // Tables may share a name here: entries come in the order of the input.
        let next = 0;
        for (const { table, keyColumns, mutations } of input) {
          const decoded: Mutation[] = [];
          while (decoded.length < mutations.length) {
            const entry = entries[next++]!;
            const part = decodeTable(staged(entry));
            expect(part.table).toBe(table);
            expect(part.keyColumns).toEqual(keyColumns);
            decoded.push(...part.mutations);
          }
          expect(decoded).toEqual(mutations.toSorted(byVersion));
        }
        expect(next).toBe(entries.length);
      }),
      { numRuns: 300 },
    );
  });

  test('an entry tells its times and rows and never spans two seconds', () => {
    fc.assert(
      fc.property(tables, (input) => {
        for (const entry of encodeEntries(schema, input)) {
          const times = decodeEntry(staged(entry)).map(versionOf);
          expect(entry).toMatchObject({
            schema,
            minTime: times[0],
            maxTime: times.at(-1),
            rowCount: times.length,
          });
          expect(timeBucket(entry.minTime)).toBe(timeBucket(entry.maxTime));
        }
      }),
    );
  });

  test('mutations of one second of a table make one entry', () => {
    const mutations = [row(at(5, 2), 'b'), row(at(5, 1), 'a'), row(at(6), 'c')];
    const entries = encodeEntries(schema, [{ table: 't', mutations }]);
    expect(entries.map((entry) => entry.rowCount)).toEqual([2, 1]);
  });

  test('a giant transaction is cut into entries of bounded size, in order', () => {
    const after = `"${'x'.repeat(10_000)}"`;
    const mutations = Array.from({ length: 1000 }, (_, i) =>
      row(at(1), String(i), after),
    );
    const entries = encodeEntries(schema, [{ table: 't', mutations }]);
    expect(Math.max(...entries.map((entry) => entry.body.length))).toBeLessThan(
      1.2e6,
    );
    expect(entries.flatMap((entry) => decodeEntry(staged(entry)))).toEqual(
      mutations,
    );
  });

  test('an entry of few rows of a large request keeps no places of others', () => {
    const mutations = Array.from({ length: 3_000 }, (_, index) =>
      row(at(Math.max(index - 1_500, 0), 0), `k${index}`),
    );
    const entries = encodeEntries(schema, [{ table: 't', mutations }]);
    expect(entries).toHaveLength(1_500);
    for (const { places, rowCount } of entries) {
      const { buffer } = places!.places;
      expect(buffer.byteLength).toBe(rowCount * placeStride * 4);
    }
  });

  test('an entry of version 1, which does not name the key columns, is still read', () => {
    const body = Buffer.from(
      'AXMRJU4xNzAwMDAwMDAxMDAwMDAwMDAwLjAwMDAwMDAwMDAgMywyMSwtOlsxXXsiaWQiOjEsIm5hbWUiOiJab8OrIn09IDMsLSw4OlsyXXsiaWQiOjJ9',
      'base64',
    );
    const entry = {
      schema,
      table: 'orders',
      minTime: at(1),
      maxTime: at(1),
      rowCount: 2,
      body,
    };
    expect(decodeTable(staged(entry))).toEqual({
      table: 'orders',
      mutations: [
        {
          time: at(1),
          key: '[1]',
          after: '{"id":1,"name":"Zoë"}',
          before: null,
        },
        { time: at(1), key: '[2]', after: null, before: '{"id":2}' },
      ],
    });
  });

  test('a large transaction is not cut between a row that moves and the delete of the key that it leaves', () => {
    const after = `"${'x'.repeat(200_000)}"`;
    const moves = Array.from({ length: 40 }, (_, n): Mutation[] => [
      { ...row(at(1), `old ${n}`, after), after: null },
      {
        ...row(at(1), `new ${n}`, after),
        movedFrom: `["old ${n}"]` as JsonText,
      },
    ]).flat();
    for (const list of [moves, [row(at(1), 'before', after), ...moves]]) {
      const parts = encodeEntries(schema, [
        { table: 't', mutations: list },
      ]).map((entry) => decodeEntry(staged(entry)));
      expect(parts.length).toBeGreaterThan(5);
      expect(parts.flat()).toEqual(list);
      for (const part of parts) {
        expect(part[0]!.movedFrom).toBeUndefined();
      }
    }
  });

  test('only an entry in which a row has moved is of the version that tells from where', () => {
    const moved = { ...row(at(1), 'b'), movedFrom: '["c"]' as JsonText };
    const entries = encodeEntries(schema, [
      {
        table: 't',
        mutations: [row(at(1), 'a'), moved, row(at(2), 'a'), row(at(2), 'b')],
      },
    ]);
    expect(entries.map(({ body }) => body[0])).toEqual([3, 2]);
    expect(decodeEntry(staged(entries[0]!))).toEqual([row(at(1), 'a'), moved]);
  });

  test('an entry of version 2 is still read', () => {
    const body = Buffer.from(
      'AnjHfgM2OlsiaWQiXTE3MDAwMDAwMDEwMDAwMDAwMDAuMDAwMDAwMDAwMCAzLDIxLC06WzFdeyJpZCI6MSwibmFtZSI6Ilpvw6sifT0gMywtLDg6WzJdeyJpZCI6Mn0=',
      'base64',
    );
    const entry = {
      schema,
      table: 'orders',
      minTime: at(1),
      maxTime: at(1),
      rowCount: 2,
      body,
    };
    expect(decodeTable(staged(entry))).toEqual({
      table: 'orders',
      keyColumns: ['id'],
      mutations: [
        {
          time: at(1),
          key: '[1]',
          after: '{"id":1,"name":"Zoë"}',
          before: null,
        },
        { time: at(1), key: '[2]', after: null, before: '{"id":2}' },
      ],
    });
  });

  test('one row of any size is one entry', () => {
    const huge = row(at(1), 'a', `"${'ö'.repeat(20 << 20)}"`);
    const entries = encodeEntries(schema, [
      { table: 't', mutations: [huge, row(at(1), 'b')] },
    ]);
    expect(entries.map((entry) => entry.rowCount)).toEqual([1, 1]);
    expect(decodeEntry(staged(entries[0]!))[0]!.after === huge.after).toBe(
      true,
    );
  });

  test('rows whose lengths are alike in part, and long, come back', () => {
    const texts = [
      '',
      'é',
      ...[65_534, 65_535, 65_536, 131_072].map((length) => 'x'.repeat(length)),
      'ö'.repeat(90_000),
    ] as JsonText[];
    const everyRow = texts.flatMap((key) =>
      [null, ...texts].flatMap((after) =>
        [null, ...texts].map((before) => ({ time: at(1), key, after, before })),
      ),
    );
    const entries = encodeEntries(schema, [
      { table: 't', mutations: everyRow },
    ]);
    const read = entries.flatMap((entry) => decodeEntry(staged(entry)));
    // Not by toEqual: it would print them.
    expect(read.length).toBe(everyRow.length);
    expect(
      read.every(
        ({ key, after, before }, index) =>
          key === everyRow[index]!.key &&
          after === everyRow[index]!.after &&
          before === everyRow[index]!.before,
      ),
    ).toBe(true);
  });
});

const zoe = row(at(1), 'a', '{"name":"Zoë"}');

describe.each([
  ['plain rows', [zoe, row(at(1, 1), 'b')]],
  [
    'a row that has moved',
    [zoe, { ...row(at(1, 1), 'b'), movedFrom: '["c"]' as JsonText }],
  ],
])('a damaged body of %s', (_, damagedRows) => {
  const [entry] = encodeEntries(schema, [
    { table: 'orders', mutations: damagedRows },
  ]);

  test('is refused whatever bit is flipped, and the message says where it lies', () => {
    for (let bit = 0; bit < entry!.body.length * 8; bit++) {
      const body = Buffer.from(entry!.body);
      body[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeEntry(staged({ ...entry!, body }))).toThrow(
        expect.objectContaining({
          code: 'E2006',
          disposition: 'halt',
          message: expect.stringMatching(
            /^the staged entry 000000000007 of shop\.public, table "orders", time 1700000001000000000\.0000000000, is damaged/,
          ) as string,
        }),
      );
    }
  });

  test('is refused when it is cut short or lacks rows', () => {
    for (const length of [0, 4, 5, entry!.body.length - 1]) {
      expect(() =>
        decodeEntry(
          staged({ ...entry!, body: entry!.body.subarray(0, length) }),
        ),
      ).toThrow(expect.objectContaining({ code: 'E2006' }));
    }
    expect(() => decodeEntry(staged({ ...entry!, rowCount: 3 }))).toThrow(
      expect.objectContaining({ code: 'E2006' }),
    );
  });
});
