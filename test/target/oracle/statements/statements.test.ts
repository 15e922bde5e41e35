import { SQLDialect, antlr4tsSQL } from 'antlr4ts-sql';
import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import type { OracleCodec } from '../../../../src/target/oracle/values/codec.ts';
import { deadLetterDialect } from '../../../../src/target/oracle/statements/dead-letter-statements.ts';
import * as catalogQueries from '../../../../src/target/oracle/catalog/catalog-queries.ts';
import {
  columnsQuery,
  serverQueries,
  tablesQuery,
} from '../../../../src/target/oracle/preflight/preflight-queries.ts';
import { sessionStatements } from '../../../../src/target/oracle/session/driver.ts';
import {
  moveKeysStatement,
  moveKeyStatement,
} from '../../../../src/target/oracle/statements/key-moves.ts';
import {
  deleteEqualStatement,
  emptyStatement,
  insertStatement,
} from '../../../../src/target/oracle/statements/keyless-statements.ts';
import {
  deleteStatement,
  nullStatement,
  oracleSchema,
  passUniqueStatement,
  quoteIdentifier,
  updateStatement,
  upsertStatement,
} from '../../../../src/target/oracle/statements/statements.ts';
import {
  claimCheckpointStatement,
  commitStatement,
  createCheckpointStatement,
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from '../../../../src/target/oracle/statements/watermark-statements.ts';
import type { TableShape } from '../../../../src/target/target.ts';
import { deadLetterTexts } from '../../dead-letter-texts.ts';
import { column, number, tableShape, text } from '../shapes.ts';

const orders = tableShape('ORDERS', [
  column('CUSTOMER', text(20), { keyOrdinal: 1 }),
  column('ID', { kind: 'decimal', precision: 19, scale: 0 }, { keyOrdinal: 0 }),
  column('TOTAL', number, { hasDefault: true }),
  column('CODE', text(10, { isPadded: true })),
  column('TWICE', number, { generated: true }),
  column('SERIAL', number, { identity: 'by-default' }),
  column('PARENT', number),
]);

const types: readonly OracleCodec[] = [
  { kind: 'float', bits: 64 },
  { kind: 'boolean' },
  text(20, { isNational: true, unit: 'utf16' }),
  { kind: 'clob', isNational: false, characterSet: 'unicode' },
  { kind: 'blob' },
  { kind: 'json', carrier: 'json', characterSet: 'unicode' },
  { kind: 'json', carrier: 'clob', characterSet: 'unicode' },
  { kind: 'json', carrier: 'blob', characterSet: 'unicode' },
  { kind: 'json', carrier: 'text', characterSet: 'unicode' },
  { kind: 'xml', characterSet: 'unicode' },
  { kind: 'date' },
  { kind: 'timestamp', fractionDigits: 6, hasZone: false },
  { kind: 'timestamp', fractionDigits: 6, hasZone: true },
  { kind: 'year-month', yearDigits: 2 },
  { kind: 'day-second', dayDigits: 2, fractionDigits: 6 },
  { kind: 'unsupported', typeName: 'SDO_GEOMETRY' },
];
const everything = tableShape('Every Thing', [
  column('id', { kind: 'raw', maxBytes: 16 }, { keyOrdinal: 0 }),
  ...types.map((codec, index) => column(`c:${index} ${codec.kind}`, codec)),
]);

const keys = tableShape('KEYS', [
  column(
    'A',
    { kind: 'timestamp', fractionDigits: 6, hasZone: false },
    { keyOrdinal: 0 },
  ),
  column('B', text(5, { isNational: true }), { keyOrdinal: 1 }),
]);

const log = tableShape('LOG', [
  column('N', number, { nullable: false }),
  column(
    'AT',
    { kind: 'timestamp', fractionDigits: 6, hasZone: true },
    { nullable: true },
  ),
  column('WHAT', text(20), { nullable: true }),
]);
const allLobs = everything.columns.map(() => 'lob' as const);

const written = (table: TableShape) =>
  table.columns.filter(({ generated }) => !generated);
const sparse = (table: TableShape, ...names: string[]) =>
  table.columns.filter(({ name }) => names.includes(name));

const statements: Readonly<Record<string, string>> = {
  upsert: upsertStatement(orders, written(orders)),
  'upsert-sparse': upsertStatement(
    orders,
    sparse(orders, 'CUSTOMER', 'ID', 'TOTAL'),
  ),
  'upsert-replace': upsertStatement(
    orders,
    sparse(orders, 'CUSTOMER', 'ID', 'TOTAL'),
    { replace: true },
  ),
  'upsert-key-only': upsertStatement(orders, sparse(orders, 'CUSTOMER', 'ID')),
  'upsert-without-reference': upsertStatement(
    orders,
    sparse(orders, 'CUSTOMER', 'ID', 'TOTAL'),
    { nulled: sparse(orders, 'PARENT') },
  ),
  'upsert-types': upsertStatement(everything, everything.columns),
  'upsert-types-lob': upsertStatement(everything, everything.columns, {
    modes: allLobs,
  }),
  delete: deleteStatement(everything),
  'delete-composite-key': deleteStatement(keys),
  'move-key': moveKeyStatement(orders),
  'move-keys': moveKeysStatement(orders),
  insert: insertStatement(log, log.columns),
  'insert-types-lob': insertStatement(everything, everything.columns, allLobs),
  'delete-equal': deleteEqualStatement(log, log.columns),
  'delete-equal-types': deleteEqualStatement(everything, everything.columns),
  'delete-equal-types-lob': deleteEqualStatement(
    everything,
    everything.columns,
    allLobs,
  ),
  empty: emptyStatement(log),
  vacate: nullStatement(orders, sparse(orders, 'CODE', 'PARENT')),
  'update-found': updateStatement(orders, sparse(orders, 'CODE', 'PARENT')),
  'pass-unique': passUniqueStatement(orders, sparse(orders, 'CODE', 'PARENT')),
  'pass-unique-float': passUniqueStatement(
    everything,
    everything.columns.slice(1, 2),
  ),
  'checkpoint-create': createCheckpointStatement(schemaName(['SHOP'])),
  'checkpoint-claim': claimCheckpointStatement(schemaName(['SHOP'])),
  'checkpoint-move': moveCheckpointStatement(schemaName(['"Odd Schema"'])),
  'checkpoint-fence': fenceStatement(schemaName(['SHOP'])),
  'checkpoint-read': readCheckpointStatement(schemaName(['shop'])),
  ...deadLetterTexts(deadLetterDialect, schemaName(['SHOP'])),
  commit: commitStatement,
};

/**
 * The grammar is of a server before 23ai, and misses a few things besides;
 * nothing of that is what is looked at here.
 */
function readable(statement: string): string {
  return statement
    .replaceAll(/ default(?=,|$|\n)/g, ' null')
    .replaceAll(/json_table\(.*\) j$/gm, 'json_rows j')
    .replaceAll(/\bjson\(/g, 'to_clob(');
}

function syntaxErrors(statement: string): string[] {
  const grammar = new antlr4tsSQL(SQLDialect.PLSQL);
  const parser = grammar.getParser(grammar.getTokens(`${statement};`, []), []);
  const errors: string[] = [];
  parser.removeErrorListeners();
  parser.addErrorListener({
    syntaxError: (_recognizer, symbol, line, column) => {
      const { text } = symbol as unknown as { text?: string };
      errors.push(`${line}:${column} ${text ?? ''}`);
    },
  });
  grammar.getParseTree(parser);
  return errors;
}

describe('the SQL of Oracle', () => {
  test.each(Object.entries(statements))(
    '%s reads as reviewed',
    async (name, statement) => {
      await expect(`${statement}\n`).toMatchFileSnapshot(
        `../../../testdata/statements/oracle/${name}.sql`,
      );
    },
  );

  test.each([
    ...Object.entries(statements),
    // It knows one parameter at a time, whose value is a word.
    ...sessionStatements
      .flatMap((statement) =>
        statement
          .replaceAll(/'[^']*'/g, 'word')
          .split(/\n +|alter session set |(?<=word) /),
      )
      .filter((parameter) => parameter.includes('='))
      .map(
        (parameter) => [parameter, `alter session set ${parameter}`] as const,
      ),
  ])('%s is PL/SQL to a parser', (_, statement) => {
    expect(syntaxErrors(readable(statement))).toEqual([]);
  });

  test.each([
    ...Object.entries(catalogQueries),
    ...Object.entries(serverQueries),
    ['tables of preflight', tablesQuery] as const,
    ['columns of preflight', columnsQuery] as const,
  ])('the query %s is PL/SQL to a parser', (_, query) => {
    expect(syntaxErrors(query.trim())).toEqual([]);
  });

  test('the parser tells what is no PL/SQL', () => {
    expect(syntaxErrors('merge into t using v when')).not.toEqual([]);
  });

  test('a schema is folded to upper case unless it is quoted', () => {
    expect(
      ['shop', 'SHOP', 'Shop', '"Shop"', 'C##APP'].map((segment) =>
        oracleSchema(schemaName([segment])),
      ),
    ).toEqual(['SHOP', 'SHOP', 'SHOP', 'Shop', 'C##APP']);
  });

  test('a name that Oracle cannot have never gets into a statement', () => {
    expect(() => quoteIdentifier('a" or 1=1 --')).toThrow(
      expect.objectContaining({ code: 'E4008' }),
    );
    expect(quoteIdentifier(`it's; :1`)).toBe(`"it's; :1"`);
  });
});
