/** Every statement about dead letters, for an engine's page of statements. */
import type { JsonText } from '../../src/mutation/mutation.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  type DeadLetterDialect,
  DeadLetterSql,
  ownColumns,
} from '../../src/target/own-tables/dead-letter-sql.ts';
import { at, row } from '../contract/target-fixture.ts';

export function deadLetterTexts(
  dialect: DeadLetterDialect,
  schema: SchemaName,
): Record<string, string> {
  const sql = new DeadLetterSql(dialect, schema, 'replicator_dlq');
  const keys = ['[1]', '[2]'] as JsonText[];
  const filter = {
    ids: ['1', '2'],
    table: 'item',
    key: keys[0]!,
    code: 'E4006',
    from: at(1),
    through: at(2),
  };
  return {
    'dead-letters-create': dialect.createStatement(sql.table),
    'dead-letters-alter': dialect
      .alterStatements(sql.table, ownColumns)
      .replace(/;$/, ''),
    'dead-letters-columns': dialect.columnsStatement(schema, 'replicator_dlq')
      .text,
    'dead-letters-insert': sql.insert([
      {
        table: 'item',
        keyColumns: ['id'],
        mutation: row(1, [1], { id: '1' }),
        code: 'E4006',
        cause: 'too long',
      },
    ])[0]!.text,
    'dead-letters-keys': sql.openKeys().text,
    'dead-letters-list': sql.list(filter, 10, '7').text,
    'dead-letters-count': sql.count({ includeSuperseded: true }).text,
    'dead-letters-lock': sql.lock('item', keys)[0]!.text,
    'dead-letters-supersede': sql.supersede('item', keys)[0]!.text,
    'dead-letters-take': sql.take(['1', '2'])[0]!.text,
    'dead-letters-remove': sql.remove(['1', '2'])[0]!.text,
    'dead-letters-explain': sql.explain(['1', '2'], {
      code: 'E4004',
      cause: 'no parent',
    })[0]!.text,
  };
}
