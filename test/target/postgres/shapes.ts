/** Hand-made shapes for tests that need no server. */
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import type { PostgresCodec } from '../../../src/target/postgres/values/codec.ts';
import type { ColumnShape, TableShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../table-shape.ts';

export function column(
  name: string,
  type: string,
  more: Partial<ColumnShape & { readonly codec: PostgresCodec }> = {},
): ColumnShape {
  return {
    name,
    type,
    codec: { kind: 'scalar' },
    keyOrdinal: null,
    nullable: true,
    hasDefault: false,
    generated: false,
    identity: null,
    ...more,
  };
}

export const tableShape = tableShapeIn('shop.public');

/** A table named by its first letter, with the tables it refers to. */
export function linkedTable(
  name: string,
  parents: readonly string[],
): TableShape {
  return tableShape(
    name,
    [column('id', 'pg_catalog.int8', { keyOrdinal: 0 })],
    {
      foreignKeys: parents.map((parentTable) => ({
        name: `${name}_${parentTable}`,
        columns: ['id'],
        parentSchema: 'shop.public' as SchemaName,
        parentTable,
        parentColumns: ['id'],
        deferrable: false,
      })),
    },
  );
}
