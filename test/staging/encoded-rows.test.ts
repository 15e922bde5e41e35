import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textHash } from '../../src/lib/text-hash.ts';
import {
  type EncodedRows,
  type JsonText,
  type Mutation,
  textLengthOf,
} from '../../src/mutation/mutation.ts';
import { inVersionOrder } from '../../src/mutation/row-version.ts';
import { decodeTable, encodeEntries } from '../../src/staging/batch-codec.ts';
import {
  type EncodedRow,
  encodedRows,
} from '../../src/staging/encoded-rows.ts';
import {
  encodedTable,
  joinedTable,
  tablesAsStaged,
} from '../../src/staging/placed-rows.ts';
import {
  at,
  entriesOf,
  row,
  schema,
  staged,
} from '../contract/staging-place.ts';

const ascii = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom('', '[]', '=', '-', '1,2,3:'),
);
const text = fc
  .oneof(
    { weight: 3, arbitrary: ascii },
    fc.string({ unit: 'grapheme', maxLength: 20 }),
  )
  .map((value) => value as JsonText);

const mutation: fc.Arbitrary<Mutation> = fc.record({
  time: fc
    .tuple(fc.nat(2), fc.nat(3))
    .map(([second, step]) => at(second, step)),
  key: text,
  after: fc.option(text),
  before: fc.option(text),
});

/** Entries of several requests, and which of their rows, in which order, are wanted. */
const entries = fc
  .array(fc.array(mutation, { maxLength: 12 }), { maxLength: 4 })
  .map((requests) =>
    requests.flatMap((mutations) =>
      encodeEntries(schema, [{ table: 't', keyColumns: ['id'], mutations }]),
    ),
  );

test('rows left encoded are those that decoding gives, of any entries in any order', () => {
  fc.assert(
    fc.property(entries, fc.infiniteStream(fc.nat(100)), (written, picks) => {
      const rows: EncodedRow[] = [];
      const decoded: Mutation[] = [];
      for (const entry of written.map(staged)) {
        const found = encodedRows(entry)!;
        const { mutations, keyColumns } = decodeTable(entry);
        expect(found.keyColumns).toEqual(keyColumns);
        expect(
          found.rows.map((each) => ({
            ...each.mutation,
            isDelete: each.isDelete,
            keyHash: each.keyHash,
            textLength: each.textLength,
          })),
        ).toEqual(
          mutations.map((each) => ({
            ...each,
            isDelete: each.after === null,
            keyHash: textHash(each.key),
            textLength: [each.key, each.after, each.before].join('').length,
          })),
        );
        for (const [index, found_] of found.rows.entries()) {
          const place = picks.next().value! % (rows.length + 2);
          if (place <= rows.length) {
            rows.splice(place, 0, found_);
            decoded.splice(place, 0, mutations[index]!);
          }
        }
      }
      fc.pre(rows.length > 0);
      const { mutations, encoded } = encodedTable('t', rows);
      expect(mutations).toEqual(decoded);
      expectRows(encoded!, decoded);
      const visited: [string, string | null][] = [];
      encoded!.forEach((source, keyStart, afterStart, afterEnd) => {
        visited.push([
          source.toString('utf8', keyStart, afterStart),
          afterEnd < 0 ? null : source.toString('utf8', afterStart, afterEnd),
        ]);
      });
      expect(visited).toEqual(decoded.map(({ key, after }) => [key, after]));
    }),
    { numRuns: 300 },
  );
});

test('rows lie in one source an entry, in whatever order they come', () => {
  const entries = ['a', 'é', '😀'].flatMap((key) =>
    entriesOf(...[1, 2, 3, 4].map((step) => row(at(1, step), key))),
  );
  const parts = entries.map((entry) => encodedRows(staged(entry))!.rows);
  const rows = [0, 1, 2, 3].flatMap((step) => parts.map((part) => part[step]!));
  const sources = new Set<Buffer>();
  encodedTable('t', rows).encoded!.forEach((source) => sources.add(source));
  expect(sources.size).toBe(entries.length);
});

test('what was just staged joins encoded, decodes once, and stays as it is where rows have moved', () => {
  const request = fc.record({
    mutations: fc.array(mutation, { minLength: 1, maxLength: 12 }),
    hasMoved: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      (requests) => {
        const parts = requests.map(({ mutations, hasMoved }) => {
          const rows = hasMoved
            ? mutations.map((each) => ({
                ...each,
                movedFrom: '["b"]' as JsonText,
              }))
            : mutations;
          const tables = [
            { table: 't', keyColumns: ['id'], mutations: rows },
            { table: 'u', mutations },
          ];
          const [t, u] = tablesAsStaged(tables, encodeEntries(schema, tables));
          const inOrder = inVersionOrder(mutations);
          expect(u!.mutations).toEqual(inOrder);
          expectRows(u!.encoded!, inOrder);
          expect([t!.keyColumns, u!.keyColumns]).toEqual([['id'], undefined]);
          expect(t!.encoded === undefined).toBe(hasMoved);
          return t!;
        });
        const joined = joinedTable('t', parts);
        const expected = parts.flatMap(({ mutations }) => mutations);
        expect(joined.mutations).toEqual(expected);
        expect(joined.mutations[0]).toBe(joined.mutations[0]);
        if (requests.some(({ hasMoved }) => hasMoved)) {
          expect(joined.encoded).toBeUndefined();
        } else {
          expectRows(joined.encoded!, expected);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('rows that are picked are those that have the mark', () => {
  fc.assert(
    fc.property(entries, fc.infiniteStream(fc.nat(1)), (written, picks) => {
      const rows = written.flatMap((entry) => encodedRows(staged(entry))!.rows);
      fc.pre(rows.length > 0);
      const { encoded, mutations } = encodedTable('t', rows);
      const marks = Uint8Array.from(rows, () => picks.next().value!);
      for (const mark of marks) {
        const expected = mutations.filter((_, row) => marks[row] === mark);
        const picked = encoded!.picked(marks, mark);
        expectRows(picked, expected);
        const texts: string[] = [];
        picked.forEach((source, keyStart, afterStart) =>
          texts.push(source.toString('utf8', keyStart, afterStart)),
        );
        expect(texts).toEqual(expected.map(({ key }) => key));
      }
      expectRows(encoded!, mutations);
    }),
    { numRuns: 100 },
  );
});

function expectRows(encoded: EncodedRows, decoded: readonly Mutation[]): void {
  const times = decoded.map(({ time }) => time).toSorted();
  expect({
    rowCount: encoded.rowCount,
    oldest: encoded.oldest,
    newest: encoded.newest,
    textLength: encoded.textLength,
    isEmptied: encoded.isEmptied,
    keyHashes: encoded.keyHashes,
  }).toEqual({
    rowCount: decoded.length,
    oldest: times[0],
    newest: times.at(-1),
    textLength: decoded.reduce((sum, each) => sum + textLengthOf(each), 0),
    isEmptied: decoded.some(({ key }) => key.length === 2),
    keyHashes: Int32Array.from(decoded, ({ key }) => textHash(key)),
  });
  const keys: [string, number, string][] = [];
  encoded.forEachKey((units, start, end, hash, time) => {
    keys.push([String.fromCharCode(...units.subarray(start, end)), hash, time]);
  });
  expect(keys).toEqual(
    decoded.map(({ key, time }) => [key, textHash(key), time]),
  );
}

test.each([
  ['has moved', { movedFrom: '["b"]' as JsonText }],
  ['came under another time', { cameAt: at(1) }],
])('a row that %s is left to whoever decodes', (_, more) => {
  const [entry] = encodeEntries(schema, [
    { table: 't', mutations: [{ ...row(at(2), 'a'), ...more }] },
  ]);
  expect(encodedRows(staged(entry!))).toBeNull();
});

test('a damaged body is refused whatever bit is flipped, and when rows are missing', () => {
  for (const name of ['Zoe', 'Zoë']) {
    const [entry] = encodeEntries(schema, [
      { table: 't', mutations: [row(at(1), 'a', `{"name":"${name}"}`)] },
    ]);
    for (let bit = 0; bit < entry!.body.length * 8; bit++) {
      const body = Buffer.from(entry!.body);
      body[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => encodedRows(staged({ ...entry!, body }))).toThrow(
        expect.objectContaining({ code: 'E2006' }),
      );
    }
    expect(() => encodedRows(staged({ ...entry!, rowCount: 2 }))).toThrow(
      expect.objectContaining({ code: 'E2006' }),
    );
  }
});
