/** Names and texts inside of statements. */
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type { TableShape } from '../../target.ts';

/** Always quoted: keywords and upper case are then nothing special. */
export function quoteIdentifier(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

export function quoteString(text: string): string {
  return `N'${text.replaceAll("'", "''")}'`;
}

/** The schema of a printed `database.schema`. */
export function quoteSchema(schema: SchemaName): string {
  return quoteIdentifier(schemaNameParts(schema).at(-1)!);
}

export function tableName(table: Pick<TableShape, 'schema' | 'name'>): string {
  return `${quoteSchema(table.schema)}.${quoteIdentifier(table.name)}`;
}
