import type { SchemaName } from '../../src/mutation/schema-name.ts';
import type { ColumnShape, TableShape } from '../../src/target/target.ts';

/** A hand-made table, for tests that need no server. */
export function tableShapeIn(
  schema: string,
): (
  name: string,
  columns: readonly ColumnShape[],
  more?: Partial<TableShape>,
) => TableShape {
  return (name, columns, more = {}) => ({
    schema: schema as SchemaName,
    name,
    columns,
    columnByName: new Map(columns.map((each) => [each.name, each])),
    primaryKey: columns
      .filter(({ keyOrdinal }) => keyOrdinal !== null)
      .toSorted((a, b) => a.keyOrdinal! - b.keyOrdinal!),
    keyDeferrable: false,
    hasInheritors: false,
    uniqueKeys: [],
    foreignKeys: [],
    fingerprint: name,
    ...more,
  });
}
