import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { canonicalKey } from '../../../../src/mutation/canonical-key.ts';
import type { JsonText, Mutation } from '../../../../src/mutation/mutation.ts';
import type { Timestamp } from '../../../../src/mutation/timestamp.ts';
import { RowDecoder } from '../../../../src/source/logical/decode/row-decoder.ts';
import { TypeCatalog } from '../../../../src/source/logical/decode/type-catalog.ts';
import type { ColumnShape, TableShape } from '../../../../src/target/target.ts';
import { tableShapeIn } from '../../../target/table-shape.ts';
import {
  deleteMessage,
  inStream,
  insertMessage,
  int32,
  message,
  type RelationSpec,
  relationMessage,
  relationOid,
  type TupleValue,
  updateMessage,
} from './message-bytes.ts';

const time = '1700000000000000000.0000000000' as Timestamp;

/** A star marks the columns of the key, in their order. */
function shape(...names: readonly string[]): TableShape {
  let keyCount = 0;
  const columns = names.map((name): ColumnShape => ({
    name: name.endsWith('*') ? name.slice(0, -1) : name,
    type: 'text',
    codec: { kind: 'scalar' },
    keyOrdinal: name.endsWith('*') ? keyCount++ : null,
    nullable: true,
    hasDefault: false,
    generated: false,
    identity: null,
  }));
  return tableShapeIn('s')('item', columns);
}

function decoderOf(
  table: TableShape | null,
  relation: RelationSpec,
): RowDecoder {
  const decoder = new RowDecoder({
    types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
    target: () => table && { name: 'item', shape: table },
  });
  expect(decoder.relation(relationMessage(relation))).toBeUndefined();
  return decoder;
}

function decoded(decoder: RowDecoder, payload: Buffer, offset = 0): Mutation[] {
  const mutations: Mutation[] = [];
  decoder.change(payload, offset, time, {
    put: (_table, _keyColumns, mutation) => {
      mutations.push(mutation);
    },
  });
  return mutations;
}

const anyText = fc
  .oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0001', 'a') }),
    fc.string({ minLength: 40, maxLength: 200 }),
    fc.constantFrom('é'.repeat(70_000), '"'.repeat(70_000), ''),
  )
  .map((text) => text.replaceAll('\0', ''));

const types = [25, 1043, 23, 16, 3802] as const;
type TypeOid = (typeof types)[number];

function valueOf(typeOid: TypeOid): fc.Arbitrary<string> {
  switch (typeOid) {
    case 25:
    case 1043:
      return anyText;
    case 23:
      return fc.integer().map(String);
    case 16:
      return fc.constantFrom('t', 'f');
    case 3802:
      return fc
        .json({ noUnicodeString: false })
        .filter((text) => text !== 'null');
  }
}

function expectedValue(typeOid: TypeOid, value: string): unknown {
  switch (typeOid) {
    case 25:
    case 1043:
      return value;
    case 16:
      return value === 't';
    case 23:
    case 3802:
      return JSON.parse(value);
  }
}

/** A table, and two rows of it. */
const tables = fc
  .array(fc.tuple(fc.constantFrom(...types), fc.boolean()), {
    minLength: 1,
    maxLength: 6,
  })
  .chain((columns) => {
    const row = fc.tuple(
      ...columns.map(([typeOid]) => fc.option(valueOf(typeOid))),
    ) as fc.Arbitrary<(string | null)[]>;
    return fc.record({
      columns: fc.constant(columns),
      names: fc.uniqueArray(
        anyText.filter((name) => name !== '' && !name.endsWith('*')),
        {
          minLength: columns.length,
          maxLength: columns.length,
          selector: (name) => name.toLowerCase(),
        },
      ),
      rows: fc.tuple(row, row),
    });
  });

describe('the decoder of a slot', () => {
  test('gives back every text that a row can hold', () => {
    const decoder = decoderOf(shape('id*', 'é"'), {
      columns: [{ name: 'id', isKey: true }, { name: 'é"' }],
    });
    fc.assert(
      fc.property(anyText, anyText, (id, text) => {
        const [mutation] = decoded(decoder, insertMessage([id, text]));
        expect(JSON.parse(mutation!.after!)).toEqual({ id, 'é"': text });
        expect(mutation!.key).toBe(
          canonicalKey([JSON.stringify(id) as JsonText]),
        );
      }),
    );
  });

  test.each([
    [20, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)],
    [1700, fc.constantFrom('1.50', '-0', '1e3', 'NaN', '12')],
    [2950, fc.uuid()],
    [
      17,
      fc.string({ unit: fc.constantFrom('0', 'f') }).map((hex) => `\\x${hex}`),
    ],
  ])(
    'a key of one column of the type %i is the canonical one, wherever it stands in the row',
    (typeOid, values) => {
      const id = { name: 'id', isKey: true, typeOid };
      const text = { name: 'text' };
      const first = decoderOf(shape('id*', 'text'), { columns: [id, text] });
      const last = decoderOf(shape('text', 'id*'), { columns: [text, id] });
      fc.assert(
        fc.property(values, anyText, (value, other) => {
          for (const mutation of [
            ...decoded(first, insertMessage([value, other])),
            ...decoded(last, insertMessage([other, value])),
          ]) {
            const token = /"id":("[^"]*"|[^,}]*)/.exec(mutation.after!)![1]!;
            expect(mutation.key).toBe(canonicalKey([token as JsonText]));
          }
        }),
        { numRuns: 50 },
      );
    },
  );

  test('gives back every row, and the row before it', () => {
    fc.assert(
      fc.property(tables, fc.nat(9), ({ columns, names, rows }, offset) => {
        const hasKey = columns.some(([, isKey]) => isKey);
        const decoder = decoderOf(
          shape(
            ...columns.map(
              ([, isKey], at) => `${names[at]}${isKey ? '*' : ''}`,
            ),
          ),
          {
            identity: 'f',
            columns: columns.map(([typeOid], at) => ({
              name: names[at]!,
              isKey: true,
              typeOid,
            })),
          },
        );
        const objectOf = (row: readonly (string | null)[]): unknown =>
          Object.fromEntries(
            row.map((value, at) => [
              names[at],
              value === null ? null : expectedValue(columns[at]![0], value),
            ]),
          );
        const [old, row] = rows;
        const padding = Buffer.alloc(offset, 0x55);
        const at = (payload: Buffer): Mutation[] =>
          decoded(decoder, message(padding, payload), offset);
        const [inserted] = at(insertMessage(row));
        expect(JSON.parse(inserted!.after!)).toEqual(objectOf(row));
        const [deleted] = at(deleteMessage('O', old));
        const updated = at(updateMessage(row, ['O', old]));
        expect(updated.at(-1)).toEqual(inserted);
        if (hasKey) {
          expect(deleted).toEqual({
            time,
            key: at(insertMessage(old))[0]!.key,
            after: null,
            before: null,
          });
          const isMoved = inserted!.key !== deleted!.key;
          expect(updated.slice(0, -1)).toEqual(isMoved ? [deleted] : []);
        } else {
          expect(JSON.parse(deleted!.before!)).toEqual(objectOf(old));
          expect(updated[0]).toEqual(deleted);
        }
        // What is not sent stands in the old row.
        const unchanged = at(
          updateMessage(
            old.map(() => undefined),
            ['O', old],
          ),
        );
        expect(unchanged.at(-1)).toEqual(at(insertMessage(old))[0]);
      }),
    );
  });

  const wholeTable = shape('id*', 'n', 'note');
  const whole: RelationSpec = {
    columns: [
      { name: 'id', isKey: true, typeOid: 20 },
      { name: 'n', typeOid: 1700 },
      { name: 'note' },
    ],
  };
  const changes = {
    insert: insertMessage(['1', '2.50', 'né']),
    update: updateMessage(['1', null, undefined]),
    'update of the key': updateMessage(
      ['2', '1', undefined],
      ['K', ['1', null, null]],
    ),
    delete: deleteMessage('K', ['1', null, null]),
    truncate: message('T', int32(1), '\u0002', int32(relationOid)),
  };

  test.each(Object.entries(changes))(
    'refuses what is cut short, and takes it inside a stream: %s',
    (_name, payload) => {
      const decoder = decoderOf(wholeTable, whole);
      const mutations = decoded(decoder, payload);
      for (let length = 0; length < payload.length; length += 1) {
        expect(
          () => decoded(decoder, payload.subarray(0, length)),
          `${length} bytes`,
        ).toThrow(expect.objectContaining({ code: 'E6009' }));
      }
      const streamed: Mutation[] = [];
      decoder.change(
        inStream(payload),
        0,
        time,
        { put: (_table, _keyColumns, mutation) => streamed.push(mutation) },
        true,
      );
      expect(streamed).toEqual(mutations);
    },
  );

  test('ends in a failure with a code when bytes are altered', () => {
    const decoder = decoderOf(wholeTable, whole);
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(changes)),
        fc.nat(60),
        fc.integer({ min: 0, max: 255 }),
        (payload, at, byte) => {
          const altered = Buffer.from(payload);
          altered[at % altered.length] = byte;
          try {
            decoded(decoder, altered);
          } catch (error) {
            expect(error).toBeInstanceOf(ReplicatorError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  const refused: readonly (readonly [string, Buffer])[] = [
    ['of a table that was not described', message('I', int32(1), 'N')],
    ['with another number of columns', insertMessage(['1'])],
    ['with values in binary', message('I', int32(relationOid), 'N\0\u0003bbb')],
    [
      'with a value of negative length',
      message('I', int32(relationOid), 'N\0\u0003t', int32(-1)),
    ],
    [
      'with a value longer than the message',
      message('I', int32(relationOid), 'N\0\u0003t', int32(2 ** 31 - 1)),
    ],
    ['that is a delete of a new row', message('D', int32(relationOid), 'N')],
    ['that is none', message('B', int32(relationOid))],
  ];

  test.each(refused)('refuses a change %s', (_name, payload) => {
    expect(() => decoded(decoderOf(wholeTable, whole), payload)).toThrow(
      expect.objectContaining({ code: 'E6009' }),
    );
  });

  test('refuses a row whose text is not UTF-8', () => {
    const decoder = decoderOf(wholeTable, whole);
    const insert = (note: Buffer): Mutation[] =>
      decoded(decoder, insertMessage(['1', '1', note]));
    expect(() => insert(Buffer.from([0xc3, 0x28]))).toThrow(
      expect.objectContaining({ code: 'E6009' }),
    );
    expect(insert(Buffer.from('\ufffd'))[0]!.after).toContain('\ufffd');
  });

  test('refuses an array whose text is not UTF-8', () => {
    const decoder = decoderOf(shape('note'), {
      columns: [{ name: 'note', typeOid: 1009 }],
    });
    const insert = (note: Buffer): Mutation[] =>
      decoded(decoder, insertMessage([note]));
    expect(() => insert(Buffer.from('{"\xc3("}', 'latin1'))).toThrow(
      expect.objectContaining({ code: 'E6009' }),
    );
    expect(insert(Buffer.from('{\ufffd}'))[0]!.after).toContain('\ufffd');
  });

  test('is of one row, however a number of its key is written', () => {
    const decoder = decoderOf(shape('n*', 'note'), {
      columns: [{ name: 'n', isKey: true, typeOid: 1700 }, { name: 'note' }],
    });
    expect(
      decoded(
        decoder,
        updateMessage(['1.50', undefined], ['K', ['1.5', null]]),
      ),
    ).toEqual([{ time, key: '[1.5]', after: '{"n":1.50}', before: null }]);
    expect(decoder.unchangedToastCount).toBe(1);
  });

  test('takes a column of the key that was not sent from the old key, or refuses the change', () => {
    const decoder = decoderOf(shape('a*', 'b*'), {
      columns: [
        { name: 'a', isKey: true },
        { name: 'b', isKey: true },
      ],
    });
    const row: readonly TupleValue[] = ['2', undefined];
    expect(
      decoded(decoder, updateMessage(row, ['K', ['1', 'b']])).at(-1),
    ).toEqual({
      time,
      key: '["2","b"]',
      after: '{"a":"2","b":"b"}',
      before: null,
    });
    expect(() => decoded(decoder, updateMessage(row))).toThrow(
      expect.objectContaining({ code: 'E6011' }),
    );
  });

  test('names the column of the target’s key that the source does not send', () => {
    const decoder = decoderOf(shape('id*', 'region*'), {
      columns: [{ name: 'id', isKey: true }],
    });
    expect(() => decoded(decoder, insertMessage(['1']))).toThrow(
      /public\.item .*does not send region of the target's primary key/,
    );
  });

  test('takes no two columns of the source for one of the target', () => {
    const decoder = decoderOf(shape('id*', 'name'), {
      columns: [
        { name: 'id', isKey: true },
        { name: 'Name' },
        { name: 'name' },
        { name: 'ID' },
      ],
    });
    expect(decoded(decoder, insertMessage(['1', 'a', 'b', 'c']))[0]).toEqual({
      time,
      key: '["1"]',
      after: '{"id":"1","Name":"a","name":"b","ID":"c"}',
      before: null,
    });
  });

  test('skips and counts changes of tables that are not replicated', () => {
    const decoder = decoderOf(null, whole);
    for (const payload of Object.values(changes)) {
      expect(decoded(decoder, payload)).toEqual([]);
    }
    expect(decoder.skippedChangeCount).toBe(5);
    expect(decoder.relationOf(relationOid)?.table).toBe('item');
    expect(decoder.relationOf(1)).toBeUndefined();
  });

  test.each([
    ['that has none', []],
    ['that are all ignored', [{ name: 'x' }]],
  ])(
    'refuses a row without columns, %s, which would empty the table',
    (_name, columns) => {
      const decoder = new RowDecoder({
        types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
        target: () => ({ name: 'item', shape: shape('note') }),
        onUnknown: 'ignore',
      });
      expect(decoder.relation(relationMessage({ columns }))).toBeUndefined();
      expect(() =>
        decoded(decoder, insertMessage(columns.map(() => '1'))),
      ).toThrow(/public\.item .*the target table has none of its columns/);
    },
  );

  test('empties the table of several partitions only when all of them are emptied', async () => {
    const decoder = new RowDecoder({
      types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
      target: () => ({ name: 'item', shape: wholeTable, parts: [1, 2] }),
    });
    await decoder.relation(relationMessage({ ...whole, oid: 1 }));
    await decoder.relation(relationMessage({ ...whole, oid: 2, table: 'p2' }));
    expect(
      decoded(decoder, message('T', int32(2), '\0', int32(2), int32(1))),
    ).toEqual([{ time, key: '[]', after: null, before: null }]);
    expect(() =>
      decoded(decoder, message('T', int32(1), '\0', int32(2))),
    ).toThrow(/emptied public\.p2 alone/);
  });

  test('makes its plans anew when the target has changed', () => {
    let target = shape('id*', 'note');
    const decoder = new RowDecoder({
      types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
      target: () => ({ name: 'item', shape: target }),
    });
    expect(decoder.relation(relationMessage(whole))).toBeUndefined();
    const insert = insertMessage(['1', '2', 'n']);
    expect(decoded(decoder, insert)[0]!.key).toBe('[1]');
    target = shape('id', 'N*', 'note');
    decoder.refresh();
    expect(decoded(decoder, insert)[0]).toEqual({
      time,
      key: '[2]',
      after: '{"id":1,"N":2,"note":"n"}',
      before: null,
    });
  });
});
