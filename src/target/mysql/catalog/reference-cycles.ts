/**
 * Foreign keys that close a circle. No key of the family can wait for the
 * commit, so that rows in a circle are written in two steps.
 */
import type { ForeignKey, TableShape } from '../../target.ts';

type Node = Pick<TableShape, 'schema' | 'name' | 'foreignKeys'>;

export function cyclicReferences(
  tables: readonly Node[],
): ReadonlyMap<ForeignKey, 'self' | 'cycle'> {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const cyclic = new Map<ForeignKey, 'self' | 'cycle'>();
  for (const table of tables) {
    for (const key of table.foreignKeys) {
      const parent =
        key.parentSchema === table.schema
          ? byName.get(key.parentTable)
          : undefined;
      if (parent === table) {
        cyclic.set(key, 'self');
      } else if (parent && reaches(parent, table, byName)) {
        cyclic.set(key, 'cycle');
      }
    }
  }
  return cyclic;
}

function reaches(
  from: Node,
  to: Node,
  byName: ReadonlyMap<string, Node>,
): boolean {
  const seen = new Set([from]);
  const waiting = [from];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    for (const { parentSchema, parentTable } of next.foreignKeys) {
      const parent =
        parentSchema === to.schema ? byName.get(parentTable) : undefined;
      if (parent === to) {
        return true;
      }
      if (parent && !seen.has(parent)) {
        seen.add(parent);
        waiting.push(parent);
      }
    }
  }
  return false;
}
