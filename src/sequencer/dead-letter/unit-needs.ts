/**
 * Which units of a source transaction another one cannot do without, as far
 * as their foreign keys tell:
 *
 *     a row that is written    needs the row that it refers to
 *     a row that is deleted    needs those that referred to it, and go as well
 *                              or refer to another one now; known only where
 *                              the feed carries `before`
 *
 * Nothing depends on the answer but how soon bad rows are found (isolate.ts).
 */
import { canonicalKey } from '../../mutation/canonical-key.ts';
import { arrayElements } from '../../mutation/json-text.ts';
import type { JsonText, Mutation } from '../../mutation/mutation.ts';
import { tableKey } from '../../target/table-order.ts';
import type { TableShape } from '../../target/target.ts';
import { MemberPicker } from '../ordering/member-picker.ts';
import { isDeletion, type RowUnit } from './row-units.ts';

/** Values of a row by which others refer to it, or by which it refers to others. */
interface NamedValues {
  /** The parent's table and columns. */
  readonly prefix: string;
  readonly columns: readonly string[];
}

interface TableNames {
  readonly table: TableShape;
  readonly picker: MemberPicker;
  readonly places: ReadonlyMap<string, number>;
  readonly own: readonly NamedValues[];
  readonly referred: readonly NamedValues[];
}

export function unitNeeds(
  units: readonly RowUnit[],
): (unit: RowUnit) => Iterable<RowUnit> {
  const tables = new Set(units.map(({ table }) => table));
  const namesOf = namesOfTables(tables);
  const written = new Map<string, RowUnit>();
  const deleted = new Map<string, RowUnit>();
  for (const unit of namesOf.size > 0 ? units : []) {
    const names = namesOf.get(unit.table)!;
    const isGone = isDeletion(unit);
    for (const mutation of names.own.length > 0 ? unit.mutations : []) {
      const row = isGone ? mutation.before : mutation.after;
      for (const name of valueNames(names.own, names, mutation, row)) {
        (isGone ? deleted : written).set(name, unit);
      }
    }
  }
  const needs = new Map<RowUnit, Set<RowUnit>>();
  const need = (unit: RowUnit, other: RowUnit | undefined): void => {
    if (other && other !== unit) {
      needs.set(unit, (needs.get(unit) ?? new Set()).add(other));
    }
  };
  for (const unit of namesOf.size > 0 ? units : []) {
    const names = namesOf.get(unit.table)!;
    for (const mutation of names.referred.length > 0 ? unit.mutations : []) {
      const { after, before } = mutation;
      for (const name of after === null
        ? []
        : valueNames(names.referred, names, mutation, after)) {
        need(unit, written.get(name));
      }
      for (const name of before === null
        ? []
        : valueNames(names.referred, names, mutation, before)) {
        const parent = deleted.get(name);
        if (parent) {
          need(parent, unit);
        }
      }
    }
  }
  return (unit) => needs.get(unit) ?? [];
}

/** Empty where no table refers to another one, or to itself. */
function namesOfTables(
  tables: ReadonlySet<TableShape>,
): Map<TableShape, TableNames> {
  const present = new Set(
    [...tables].map(({ schema, name }) => tableKey(schema, name)),
  );
  const own = new Map<string, Map<string, NamedValues>>();
  const referred = new Map<TableShape, NamedValues[]>();
  for (const table of tables) {
    for (const key of table.foreignKeys) {
      const parent = tableKey(key.parentSchema, key.parentTable);
      if (!present.has(parent)) {
        continue;
      }
      const columns = key.parentColumns.toSorted();
      const prefix = JSON.stringify([parent, ...columns]);
      const ofParent = own.get(parent) ?? new Map<string, NamedValues>();
      own.set(parent, ofParent.set(prefix, { prefix, columns }));
      const ofChild = referred.get(table) ?? [];
      referred.set(table, ofChild);
      ofChild.push({
        prefix,
        columns: columns.map(
          (name) => key.columns[key.parentColumns.indexOf(name)]!,
        ),
      });
    }
  }
  if (referred.size === 0) {
    return new Map();
  }
  return new Map(
    [...tables].map((table) => {
      const values = {
        own: [...(own.get(tableKey(table.schema, table.name))?.values() ?? [])],
        referred: referred.get(table) ?? [],
      };
      const columns = [
        ...new Set(
          [...values.own, ...values.referred].flatMap((each) => each.columns),
        ),
      ];
      return [
        table,
        {
          table,
          picker: new MemberPicker(columns),
          places: new Map(columns.map((name, place) => [name, place])),
          ...values,
        },
      ];
    }),
  );
}

/** None for what the row and its key do not have whole, or where it is null. */
function* valueNames(
  wanted: readonly NamedValues[],
  { table, picker, places }: TableNames,
  { key }: Mutation,
  row: JsonText | null,
): Generator<string> {
  const picked = row === null ? null : picker.pick(row);
  const valueOf = (name: string): JsonText | null => {
    const value = picked?.[places.get(name)!] ?? null;
    const ordinal = table.columnByName.get(name)?.keyOrdinal ?? null;
    return value === null && ordinal !== null
      ? (arrayElements(key)[ordinal] ?? null)
      : value;
  };
  for (const { prefix, columns } of wanted) {
    const values: JsonText[] = [];
    for (const column of columns) {
      const value = valueOf(column);
      if (value !== null && value !== 'null') {
        values.push(value);
      }
    }
    if (values.length === columns.length) {
      yield prefix + canonicalKey(values);
    }
  }
}
