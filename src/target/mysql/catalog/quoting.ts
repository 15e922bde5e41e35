/** Names and texts in SQL. */
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type { TableShape } from '../../target.ts';

/** Always quoted: keywords are then nothing special. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Backslashes are escapes: the session sets its sql_mode. */
export function quoteText(text: string): string {
  return `'${text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\0', '\\0')}'`;
}

export function quoteSchema(schema: SchemaName): string {
  return quoteIdentifier(schemaNameParts(schema).at(-1)!);
}

export function quoteTable(table: TableShape): string {
  return `${quoteSchema(table.schema)}.${quoteIdentifier(table.name)}`;
}

/** `replicator@10.0.0.%`; a name alone is one from everywhere. */
export function quotedAccount(account: string): string {
  const at = account.lastIndexOf('@');
  const [user, host] =
    at < 0 ? [account, '%'] : [account.slice(0, at), account.slice(at + 1)];
  return `${quoteText(user)}@${quoteText(host)}`;
}
