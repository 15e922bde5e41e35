import { expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import type { FoldedTable } from '../../../src/target/apply/folded-table.ts';
import { stepsWithDeletes } from '../../../src/target/apply/late-deletes.ts';
import type { ColumnShape, ForeignKey } from '../../../src/target/target.ts';
import { tableShapeIn } from '../table-shape.ts';
import { textValues } from '../../../src/target/row-values.ts';

const shape = tableShapeIn('public');

function column(name: string, keyOrdinal: number | null): ColumnShape {
  return {
    name,
    type: 'int4',
    codec: { kind: 'integer' },
    keyOrdinal,
    nullable: keyOrdinal === null,
    hasDefault: false,
    generated: false,
    identity: null,
  };
}

/** `code` of `parent` is what the key ends at, or its `id`. */
function reference(
  parent: string,
  to: 'code' | 'id',
  deferrable = false,
): ForeignKey {
  return {
    name: `to_${parent}`,
    columns: ['up'],
    parentSchema: 'public' as SchemaName,
    parentTable: parent,
    parentColumns: [to],
    deferrable,
  };
}

function folded(
  name: string,
  foreignKeys: readonly ForeignKey[],
  does: { readonly writes?: boolean; readonly deletes?: boolean },
): FoldedTable {
  const columns = [column('id', 0), column('code', null), column('up', null)];
  const table = shape(name, columns, {
    uniqueKeys: [['code']],
    foreignKeys,
    deleteTakes: true,
  });
  const one = '1' as JsonText;
  const writes = does.writes ?? false;
  const deletes = does.deletes ?? false;
  return {
    table,
    emptied: null,
    freed: [],
    moveWaves: [],
    moveCircles: [],
    rows: writes
      ? [
          {
            table,
            columns,
            values: textValues(
              columns.map(() => [one]),
              1,
            ),
            rowCount: 1,
          },
        ]
      : [],
    deleted: deletes ? [one] : [],
    inserted: [],
    deletedRows: [],
    upsertCount: writes ? 1 : 0,
    deleteCount: deletes ? 1 : 0,
  };
}

function stepsOf(tables: readonly FoldedTable[]): string[] | null {
  return (
    stepsWithDeletes(tables, tables)?.map(
      ({ kind, entry }) => `${kind} ${entry.table.name}`,
    ) ?? null
  );
}

test('a row goes before the unique value that it referred to changes, and behind what it might take', () => {
  expect(
    stepsOf([
      folded('owner', [], { writes: true, deletes: true }),
      folded('child', [reference('owner', 'code')], { deletes: true }),
      folded('grand', [reference('child', 'id', true)], { writes: true }),
    ]),
  ).toEqual(['write grand', 'delete child', 'write owner', 'delete owner']);
});

test('what only a chain of tables ties to the row is written before it goes', () => {
  expect(
    stepsOf([
      folded('owner', [], { writes: true }),
      folded('child', [reference('owner', 'code')], { deletes: true }),
      folded('middle', [reference('child', 'id')], { deletes: true }),
      folded('far', [reference('middle', 'code', true)], { writes: true }),
    ]),
  ).toEqual(['write far', 'delete middle', 'delete child', 'write owner']);
});

test('the usual order stays where no referred value may change', () => {
  expect(
    stepsOf([
      folded('owner', [], { writes: true }),
      folded('child', [reference('owner', 'id')], { deletes: true }),
    ]),
  ).toBeNull();
});

test('the usual order stays where a row that might be taken needs the parent first', () => {
  expect(
    stepsOf([
      folded('owner', [], { writes: true }),
      folded('child', [reference('owner', 'code')], {
        writes: true,
        deletes: true,
      }),
    ]),
  ).toBeNull();
  // A row that follows a value of another table must not be written before it.
  expect(
    stepsOf([
      folded('owner', [], { writes: true }),
      folded('child', [reference('owner', 'code')], { deletes: true }),
      folded(
        'grand',
        [reference('child', 'id', true), reference('owner', 'code', true)],
        { writes: true },
      ),
    ]),
  ).toBeNull();
});
