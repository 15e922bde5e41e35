/**
 * What prepares a SQL Server database to be written to by a replication agent:
 * triggers, foreign keys, checks and identity columns marked NOT FOR
 * REPLICATION, and no lock escalation. Preflight prints the statements for a
 * person to read first; prepare.ts runs them when it is told to.
 */
import { quoteIdentifier } from '../catalog/quoting.ts';

/** What is not prepared yet; read by unprepared.ts. */
export type Unprepared =
  | {
      readonly kind: 'trigger';
      readonly table: QualifiedName;
      readonly name: string;
      /** Null where the account may not see it, or it is encrypted. */
      readonly definition: string | null;
    }
  | {
      readonly kind: 'foreign key';
      readonly table: QualifiedName;
      readonly name: string;
      readonly columns: readonly string[];
      readonly parent: QualifiedName;
      readonly parentColumns: readonly string[];
      /** `NO_ACTION`, `CASCADE`, `SET_NULL`, `SET_DEFAULT` */
      readonly onDelete: string;
      readonly onUpdate: string;
    }
  | {
      readonly kind: 'check';
      readonly table: QualifiedName;
      readonly name: string;
      readonly definition: string;
    }
  | {
      readonly kind: 'identity';
      readonly table: QualifiedName;
      readonly name: string;
    }
  | { readonly kind: 'lock escalation'; readonly table: QualifiedName };

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

export function preparationStatement(unprepared: Unprepared): string {
  const table = qualified(unprepared.table);
  switch (unprepared.kind) {
    case 'trigger':
      return triggerStatement(unprepared);
    case 'foreign key': {
      const name = quoteIdentifier(unprepared.name);
      return [
        `ALTER TABLE ${table} DROP CONSTRAINT ${name};`,
        `ALTER TABLE ${table} WITH NOCHECK ADD CONSTRAINT ${name}`,
        `  FOREIGN KEY (${names(unprepared.columns)}) REFERENCES ${qualified(unprepared.parent)} (${names(unprepared.parentColumns)})`,
        `  ON DELETE ${action(unprepared.onDelete)} ON UPDATE ${action(unprepared.onUpdate)} NOT FOR REPLICATION;`,
      ].join('\n');
    }
    case 'check': {
      const name = quoteIdentifier(unprepared.name);
      return [
        `ALTER TABLE ${table} DROP CONSTRAINT ${name};`,
        `ALTER TABLE ${table} WITH NOCHECK ADD CONSTRAINT ${name}`,
        `  CHECK NOT FOR REPLICATION ${unprepared.definition};`,
      ].join('\n');
    }
    case 'identity':
      return `ALTER TABLE ${table} ALTER COLUMN ${quoteIdentifier(unprepared.name)} ADD NOT FOR REPLICATION;`;
    case 'lock escalation':
      return `ALTER TABLE ${table} SET (LOCK_ESCALATION = DISABLE);`;
  }
}

/**
 * NOT FOR REPLICATION stands behind the list of events and before AS. A
 * definition in which that place is not found is left to the reader.
 */
function triggerStatement({
  table,
  name,
  definition,
}: Unprepared & { kind: 'trigger' }): string {
  const trigger = `${quoteIdentifier(table.schema)}.${quoteIdentifier(name)}`;
  const head = triggerHead(definition);
  if (!head) {
    return [
      `ALTER TRIGGER ${trigger}`,
      `ON ${qualified(table)}`,
      '  ... -- its events, as they are',
      'NOT FOR REPLICATION',
      'AS ... -- its body, as it is',
    ].join('\n');
  }
  return `${head[1]}ALTER TRIGGER${head[2]}\nNOT FOR REPLICATION\nAS${definition!.slice(head[0].length)}`;
}

function triggerHead(definition: string | null): RegExpExecArray | null {
  return definition === null
    ? null
    : /^((?:\s|--[^\n]*\n|\/\*.*?\*\/)*)create(?:\s+or\s+alter)?\s+trigger\b(.*?\b(?:after|for|instead\s+of)\s+(?:insert|update|delete)(?:\s*,\s*(?:insert|update|delete))*)\s+as\b/is.exec(
        definition,
      );
}

/** The statement is only a pattern: a person must fill it in. */
export function needsHand(unprepared: Unprepared): boolean {
  return (
    unprepared.kind === 'trigger' && triggerHead(unprepared.definition) === null
  );
}

function action(name: string): string {
  return name.replaceAll('_', ' ');
}

function qualified({ schema, name }: QualifiedName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

function names(columns: readonly string[]): string {
  return columns.map(quoteIdentifier).join(', ');
}
