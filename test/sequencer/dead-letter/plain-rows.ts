/** A table of three columns, and a target of it that takes everything. */
import { objectMembers } from '../../../src/mutation/json-text.ts';
import { isTruncation, type Mutation } from '../../../src/mutation/mutation.ts';
import type { ColumnShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../../target/table-shape.ts';

export const plainColumn = (
  name: string,
  keyOrdinal: number | null,
): ColumnShape => ({
  name,
  type: 'int',
  codec: { kind: 'int' },
  keyOrdinal,
  nullable: true,
  hasDefault: false,
  generated: false,
  identity: null,
});
export const table = tableShapeIn('s')('t', [
  plainColumn('k', 0),
  plainColumn('a', null),
  plainColumn('b', null),
]);
export type Row = Readonly<Record<string, string>>;
export type Rows = Map<string, Row>;

/** As a target does that takes everything. */
export function applyRows(rows: Rows, mutations: readonly Mutation[]): void {
  let leaving: [string, Row] | null = null;
  for (const mutation of mutations) {
    const { key, after, movedFrom } = mutation;
    if (isTruncation(mutation)) {
      rows.clear();
      continue;
    }
    if (after === null) {
      leaving = rows.has(key) ? [key, rows.get(key)!] : leaving;
      rows.delete(key);
      continue;
    }
    const under =
      movedFrom === undefined
        ? rows.get(key)
        : (rows.get(movedFrom) ??
          (leaving?.[0] === movedFrom ? leaving[1] : undefined));
    rows.set(key, {
      a: 'null',
      b: 'null',
      ...under,
      ...Object.fromEntries(
        objectMembers(after).map(({ name, value }) => [name, value]),
      ),
      k: key,
    });
  }
}
