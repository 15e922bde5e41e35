import { expect, test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { appendText } from '../../src/staging/postgres/append-statement.ts';
import { tablesOf } from '../../src/staging/postgres/schema.ts';
import { statementsOn } from '../../src/staging/postgres/statements.ts';

const tables = tablesOf('staging');
const statements = statementsOn(tables);
const filter = { schema: schemaName(['db', 'public']), table: 't' };

const texts = new Map<string, string>([
  ['append', appendText(tables)],
  ...Object.entries(statements).map(([name, statement]): [string, string] => [
    name,
    typeof statement === 'string' ? statement : statement(filter).text,
  ]),
]);

test.each([...texts])(
  'the statement %s writes no table twice, which CockroachDB refuses',
  (_, text) => {
    const written = [
      ...text.matchAll(
        /\b(?:insert into|update|delete from)\s+("staging"\.\S+)/g,
      ),
    ].map(([, table]) => table);

    expect(new Set(written).size).toBe(written.length);
  },
);

test('appending writes entries, checkpoint and position', () => {
  const text = texts.get('append')!;

  for (const table of [tables.log, tables.checkpoint, tables.memo]) {
    expect(text).toMatch(new RegExp(`(insert into|update) ${table}`));
  }
});
