/** Reads what preparation.ts would change. */
import type { Row } from './driver.ts';
import type { QualifiedName, Unprepared } from '../preflight/preparation.ts';
import {
  checksQuery,
  foreignKeysQuery,
  identitiesQuery,
  lockEscalationQuery,
  triggersQuery,
} from '../preflight/preflight-queries.ts';

export async function readUnprepared(
  ask: (text: string) => Promise<Row[]>,
): Promise<Unprepared[]> {
  const keys = Map.groupBy(await ask(foreignKeysQuery), (row) => row['key_id']);
  return [
    ...(await ask(triggersQuery)).map((row): Unprepared => ({
      kind: 'trigger',
      ...named(row),
      definition: row['definition'] as string | null,
    })),
    ...[...keys.values()].map(foreignKey),
    ...(await ask(checksQuery)).map((row): Unprepared => ({
      kind: 'check',
      ...named(row),
      definition: String(row['definition']),
    })),
    ...(await ask(identitiesQuery)).map((row): Unprepared => ({
      kind: 'identity',
      ...named(row),
    })),
    ...(await ask(lockEscalationQuery)).map((row): Unprepared => ({
      kind: 'lock escalation',
      table: nameOf(row),
    })),
  ];
}

/** One row for each of its columns. */
function foreignKey(columns: readonly Row[]): Unprepared {
  const first = columns[0]!;
  return {
    kind: 'foreign key',
    ...named(first),
    columns: columns.map((row) => String(row['column_name'])),
    parent: {
      schema: String(first['parent_schema']),
      name: String(first['parent_table']),
    },
    parentColumns: columns.map((row) => String(row['parent_column'])),
    onDelete: String(first['on_delete']),
    onUpdate: String(first['on_update']),
  };
}

function named(row: Row): { table: QualifiedName; name: string } {
  return { table: nameOf(row), name: String(row['object_name']) };
}

export function nameOf(row: Row): QualifiedName {
  return {
    schema: String(row['schema_name']),
    name: String(row['table_name']),
  };
}
