import type { SchemaShape, TableShape } from '../../target/target.ts';

type Names = ReadonlyMap<TableShape, string>;

const namesOfShape = new WeakMap<SchemaShape, Names>();

/**
 * The name under which the shape knows the table: that of staged rows, guards,
 * claims and letters. Tables of another schema stand there under a longer name
 * than their own, so `table.name` may be that of two tables.
 */
export function nameInShape(table: TableShape, shape: SchemaShape): string {
  let names = namesOfShape.get(shape);
  if (!names) {
    names = new Map([...shape.tables].map(([name, each]) => [each, name]));
    namesOfShape.set(shape, names);
  }
  // Of a shape that was read anew meanwhile: its own name, or a joined one.
  return (
    names.get(table) ??
    (table.schema === shape.name ? table.name : `${table.schema}.${table.name}`)
  );
}
