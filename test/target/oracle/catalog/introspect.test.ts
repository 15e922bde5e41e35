import { describe, expect, test } from 'vitest';
import type { SchemaName } from '../../../../src/mutation/schema-name.ts';
import {
  booleanPair,
  columnCodec,
} from '../../../../src/target/oracle/values/column-codec.ts';
import type { Row } from '../../../../src/target/oracle/session/driver.ts';
import {
  type Catalog,
  printedSchema,
  schemaShape,
} from '../../../../src/target/oracle/catalog/introspect.ts';
import { oracleSchema } from '../../../../src/target/oracle/statements/statements.ts';
import {
  shapeFromJson,
  shapeToJson,
} from '../../../../src/target/schema-watch.ts';

/** As the catalog has a column of this type. */
function typeRow(type: string, more: Row = {}): Row {
  return {
    table_name: 'ITEM',
    column_name: 'C',
    data_type: type,
    data_length: '22',
    data_precision: null,
    data_scale: null,
    char_length: '0',
    char_used: null,
    nullable: 'Y',
    virtual_column: 'NO',
    default_length: null,
    default_on_null: 'NO',
    generation_type: null,
    json_format: null,
    ...more,
  };
}

const unicode = { characterSet: 'AL32UTF8', checks: [] };

describe('a column of Oracle', () => {
  test.each<[string, Row, object]>([
    ['NUMBER', {}, { kind: 'number', digitCount: 38 }],
    [
      'NUMBER',
      { data_precision: '9', data_scale: '2' },
      { kind: 'decimal', precision: 9, scale: 2 },
    ],
    [
      'NUMBER',
      { data_scale: '0' },
      { kind: 'decimal', precision: 38, scale: 0 },
    ],
    [
      'NUMBER',
      { data_precision: '3', data_scale: '-2' },
      { kind: 'decimal', precision: 3, scale: -2 },
    ],
    ['FLOAT', { data_precision: '126' }, { kind: 'number', digitCount: 38 }],
    // The manual's example: FLOAT(5) keeps two digits.
    ['FLOAT', { data_precision: '5' }, { kind: 'number', digitCount: 2 }],
    ['BINARY_FLOAT', {}, { kind: 'float', bits: 32 }],
    ['BINARY_DOUBLE', {}, { kind: 'float', bits: 64 }],
    [
      'VARCHAR2',
      { data_length: '80', char_length: '20', char_used: 'C' },
      {
        kind: 'text',
        maxLength: 20,
        unit: 'characters',
        maxBytes: 80,
        isPadded: false,
        isNational: false,
        characterSet: 'unicode',
      },
    ],
    [
      'CHAR',
      { data_length: '20', char_length: '20', char_used: 'B' },
      {
        kind: 'text',
        maxLength: 20,
        unit: 'bytes',
        maxBytes: 20,
        isPadded: true,
        isNational: false,
        characterSet: 'unicode',
      },
    ],
    [
      'NVARCHAR2',
      { data_length: '40', char_length: '20', char_used: 'C' },
      {
        kind: 'text',
        maxLength: 20,
        unit: 'utf16',
        maxBytes: 40,
        isPadded: false,
        isNational: true,
        characterSet: 'unicode',
      },
    ],
    ['CLOB', {}, { kind: 'clob', isNational: false, characterSet: 'unicode' }],
    ['NCLOB', {}, { kind: 'clob', isNational: true, characterSet: 'unicode' }],
    [
      'CLOB',
      { json_format: 'TEXT' },
      { kind: 'json', carrier: 'clob', characterSet: 'unicode' },
    ],
    [
      'BLOB',
      { json_format: 'TEXT' },
      { kind: 'json', carrier: 'blob', characterSet: 'unicode' },
    ],
    [
      'JSON',
      { json_format: 'OSON' },
      { kind: 'json', carrier: 'json', characterSet: 'unicode' },
    ],
    ['BLOB', {}, { kind: 'blob' }],
    ['RAW', { data_length: '16' }, { kind: 'raw', maxBytes: 16 }],
    ['DATE', {}, { kind: 'date' }],
    [
      'TIMESTAMP(6)',
      {},
      { kind: 'timestamp', fractionDigits: 6, hasZone: false },
    ],
    [
      'TIMESTAMP(0) WITH TIME ZONE',
      {},
      { kind: 'timestamp', fractionDigits: 0, hasZone: true },
    ],
    [
      'TIMESTAMP(9) WITH LOCAL TIME ZONE',
      {},
      { kind: 'timestamp', fractionDigits: 9, hasZone: true },
    ],
    ['INTERVAL YEAR(2) TO MONTH', {}, { kind: 'year-month', yearDigits: 2 }],
    [
      'INTERVAL DAY(2) TO SECOND(6)',
      {},
      { kind: 'day-second', dayDigits: 2, fractionDigits: 6 },
    ],
    ['BOOLEAN', {}, { kind: 'boolean' }],
    ['XMLTYPE', {}, { kind: 'xml', characterSet: 'unicode' }],
    ['SDO_GEOMETRY', {}, { kind: 'unsupported', typeName: 'SDO_GEOMETRY' }],
    ['LONG', {}, { kind: 'unsupported', typeName: 'LONG' }],
    [
      'NUMBER',
      { default_on_null: 'YES' },
      { kind: 'number', digitCount: 38, replacesNull: true },
    ],
  ])('of the type %s %o', (type, row, codec) => {
    expect(columnCodec(typeRow(type, row), unicode)).toEqual(codec);
  });

  test('knows what its database cannot write', () => {
    const characterSets = ['UTF8', 'WE8MSWIN1252', 'US7ASCII', 'JA16SJIS'];
    expect(
      characterSets
        .map(
          (characterSet) =>
            columnCodec(typeRow('CLOB'), { characterSet, checks: [] }) as {
              characterSet?: string;
            },
        )
        .map((codec) => codec.characterSet),
    ).toEqual(['unicode', 'latin1', 'ascii', 'ascii']);
  });

  test.each<[string, readonly [string, string] | null]>([
    [`active in ('Y', 'N')`, ['Y', 'N']],
    [`"ACTIVE" IN ('N','Y')`, ['Y', 'N']],
    [`active in ('t','f')`, ['t', 'f']],
    [`active in ('A','B')`, null],
    [`active in ('Y','N') or other = 1`, null],
    [`"ACTIVE" IS NOT NULL`, null],
  ])('takes its words for true and false from %s', (condition, words) => {
    expect(booleanPair(condition)).toEqual(words);
  });
});

describe('the catalog of Oracle', () => {
  const key = (table: string, column: string): Row => ({
    table_name: table,
    deferrable: 'NOT DEFERRABLE',
    column_name: column,
  });
  const catalog: Catalog = {
    dlqTableName: 'REPLICATOR_DLQ',
    characterSet: 'AL32UTF8',
    columns: [
      typeRow('NUMBER', {
        column_name: 'ID',
        nullable: 'N',
        generation_type: 'BY DEFAULT',
        default_length: '20',
      }),
      typeRow('VARCHAR2', { column_name: 'TENANT', nullable: 'N' }),
      typeRow('NUMBER', { column_name: 'PARENT' }),
      typeRow('NUMBER', {
        column_name: 'TWICE',
        virtual_column: 'YES',
        default_length: '9',
      }),
      typeRow('CHAR', {
        column_name: 'ACTIVE',
        char_length: '1',
        char_used: 'C',
        default_length: '3',
      }),
      typeRow('NUMBER', { table_name: 'HEAP' }),
      typeRow('NUMBER', { table_name: 'REPLICATOR_CHECKPOINT' }),
    ],
    primaryKeys: [key('ITEM', 'TENANT'), key('ITEM', 'ID')],
    uniqueKeys: [
      {
        table_name: 'ITEM',
        key_name: 'U',
        column_name: 'PARENT',
        index_owner: null,
      },
      {
        table_name: 'ITEM',
        key_name: 'U',
        column_name: 'ACTIVE',
        index_owner: null,
      },
      {
        table_name: 'ITEM',
        key_name: 'X',
        column_name: 'SYS_NC00009$',
        index_owner: 'SHOP',
      },
    ],
    expressions: [
      {
        table_name: 'ITEM',
        key_name: 'X',
        column_expression: 'UPPER("ACTIVE")||"PARENT"',
      },
    ],
    foreignKeys: [
      {
        table_name: 'ITEM',
        constraint_name: 'SELF',
        deferrable: 'DEFERRABLE',
        column_name: 'PARENT',
        parent_owner: 'SHOP',
        parent_table: 'ITEM',
        parent_column: 'ID',
      },
      {
        table_name: 'ITEM',
        constraint_name: 'ELSEWHERE',
        deferrable: 'NOT DEFERRABLE',
        column_name: 'PARENT',
        parent_owner: 'Other',
        parent_table: 'T',
        parent_column: 'A',
      },
    ],
    referred: [{ table_name: 'ITEM', column_name: 'ID' }],
    deleteEffects: [{ table_name: 'ITEM' }],
    checks: [
      {
        table_name: 'ITEM',
        column_name: 'ACTIVE',
        condition: `active in ('Y', 'N')`,
      },
    ],
  };
  const shape = schemaShape('shop' as SchemaName, catalog);
  const item = shape.tables.get('ITEM')!;

  test('has tables, and none of ours', () => {
    expect([...shape.tables.keys()]).toEqual(['ITEM', 'HEAP']);
    expect(shape.tables.get('HEAP')!.primaryKey).toEqual([]);
  });

  test('has columns in their order and the key in its own', () => {
    expect(item.columns.map(({ name }) => name)).toEqual([
      'ID',
      'TENANT',
      'PARENT',
      'TWICE',
      'ACTIVE',
    ]);
    expect(item.primaryKey.map(({ name }) => name)).toEqual(['TENANT', 'ID']);
    expect(
      item.columns.map(
        ({ keyOrdinal, nullable, hasDefault, generated, identity }) => [
          keyOrdinal,
          nullable,
          hasDefault,
          generated,
          identity,
        ],
      ),
    ).toEqual([
      [1, false, true, false, 'by-default'],
      [0, false, false, false, null],
      [null, true, false, false, null],
      [null, true, false, true, null],
      [null, true, true, false, null],
    ]);
    expect(item.columnByName.get('ACTIVE')!.codec).toMatchObject({
      booleans: ['Y', 'N'],
    });
  });

  test('has unique keys, of an index on expressions what they look at', () => {
    expect(item.uniqueKeys).toEqual([
      ['PARENT', 'ACTIVE'],
      ['ACTIVE', 'PARENT'],
    ]);
  });

  test('knows a foreign key to its own schema by the name that the path gave it', () => {
    expect(
      item.foreignKeys.map(
        ({ name, parentSchema, parentTable, deferrable }) => [
          name,
          parentSchema === item.schema,
          parentTable,
          deferrable,
        ],
      ),
    ).toEqual([
      ['SELF', true, 'ITEM', true],
      ['ELSEWHERE', false, 'T', false],
    ]);
    expect(item.deleteHasEffects).toBe(true);
    expect(
      item.columns.filter(({ referred }) => referred).map(({ name }) => name),
    ).toEqual(['ID']);
    for (const owner of ['SHOP', 'Other', 'C##X']) {
      expect(oracleSchema(printedSchema(owner))).toBe(owner);
    }
  });

  test('changes its fingerprint with any of it, and survives being stored', () => {
    const changed = schemaShape('shop' as SchemaName, {
      ...catalog,
      deleteEffects: [],
    });
    expect(changed.tables.get('ITEM')!.fingerprint).not.toBe(item.fingerprint);
    expect(changed.tables.get('HEAP')!.fingerprint).toBe(
      shape.tables.get('HEAP')!.fingerprint,
    );
    expect(shapeFromJson(shapeToJson(shape))).toEqual(shape);
  });
});
