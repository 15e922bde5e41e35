import { expect, test } from 'vitest';
import { columnFindings } from '../../../../src/target/oracle/preflight/preflight-columns.ts';

const column = (type: string, more: object = {}) => ({
  owner: 'SHOP',
  table_name: 'ITEM',
  column_name: 'C',
  data_type: type,
  nullable: 'Y',
  generation_type: null,
  ...more,
});

test('a column is found that cannot take every value as it is', () => {
  const found = columnFindings(
    [
      column('NUMBER', { generation_type: 'ALWAYS' }),
      column('SDO_GEOMETRY'),
      column('VARCHAR2'),
      column('VARCHAR2', { column_name: 'STRICT', nullable: 'N' }),
      column('CHAR', { nullable: 'N' }),
    ],
    { oracleEmptyString: 'error' },
  ).map(({ level, text }) => `${level} ${text}`);
  expect(found).toEqual([
    'warn column "C" of "SHOP"."ITEM" is generated always as identity, so rows that carry it are refused',
    'warn column "C" of "SHOP"."ITEM" is of the type SDO_GEOMETRY, into which only null can be written',
    "warn Oracle takes '' for null: an empty text becomes null in every column that may be null",
    `warn column "STRICT" of "SHOP"."ITEM" may not be null, so a row with '' in it is refused`,
    `warn column "C" of "SHOP"."ITEM" may not be null, so a row with '' in it is refused`,
    'warn column "C" of "SHOP"."ITEM" is of the type CHAR, which fills shorter values up with blanks',
  ]);
});

test('nothing is said where nothing can be lost', () => {
  expect(
    columnFindings([column('NVARCHAR2', { nullable: 'N' })], {
      oracleEmptyString: 'space',
    }),
  ).toEqual([]);
});
