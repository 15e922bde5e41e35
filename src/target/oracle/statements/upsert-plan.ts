/**
 * Which steps one upsert or delete takes.
 *
 * Oracle looks at constraints when a statement ends, and array DML is one
 * statement for each row: what PostgreSQL does in one statement over many rows
 * takes steps here. Constraints that are deferrable need none of them, for
 * the session defers them.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { requireKey } from '../../require-key.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';

export type UpsertStep =
  /** All rows' new unique values at once; see passUniqueStatement. */
  | { readonly kind: 'pass'; readonly columns: readonly ColumnShape[] }
  | {
      readonly kind: 'write';
      readonly columns: readonly ColumnShape[];
      /** Inserted as null for now. */
      readonly nulled: readonly ColumnShape[];
      readonly order: WriteOrder;
    };

/**
 * `any`, or `passes`: rows that a foreign key of the table itself refuses are
 * tried again after the others, as long as that helps.
 */
export type WriteOrder = 'any' | 'passes';

export function upsertSteps(rows: ShapeRows): UpsertStep[] {
  const { table, columns } = rows;
  requireKey(table);
  refuseFixedIdentity(table, columns);
  const passed = rows.rowCount > 1 ? passedColumns(rows) : [];
  const { loosened, isStrict } = selfReferences(table, columns);
  const isLinked = rows.rowCount > 1 && loosened.length > 0;
  return [
    ...(passed.length > 0 ? [{ kind: 'pass' as const, columns: passed }] : []),
    // First the rows without what refers to one another, then with it.
    ...(isLinked
      ? [
          {
            kind: 'write' as const,
            columns: columns.filter((column) => !loosened.includes(column)),
            nulled: loosened,
            order: isStrict ? ('passes' as const) : ('any' as const),
          },
        ]
      : []),
    {
      kind: 'write',
      columns,
      nulled: [],
      order: isStrict && rows.rowCount > 1 && !isLinked ? 'passes' : 'any',
    },
  ];
}

export interface DeletePlan {
  /** Set to null before, so that the rows do not refer to one another. */
  readonly loosened: readonly ColumnShape[];
  readonly order: WriteOrder;
}

export function deletePlan(table: TableShape, rowCount: number): DeletePlan {
  requireKey(table);
  if (rowCount < 2) {
    return { loosened: [], order: 'any' };
  }
  const { loosened, isStrict } = selfReferences(table, table.columns);
  return { loosened, order: isStrict ? 'passes' : 'any' };
}

/** How rows of a table without a primary key are inserted or deleted. */
export function keylessOrder({
  table,
  columns,
  rowCount,
}: ShapeRows): WriteOrder {
  const { loosened, isStrict } = selfReferences(table, columns);
  return rowCount > 1 && (isStrict || loosened.length > 0) ? 'passes' : 'any';
}

interface SelfReferences {
  /** One column that may be null of each foreign key to the table itself. */
  readonly loosened: readonly ColumnShape[];
  /** Some such foreign key has no column that may be null. */
  readonly isStrict: boolean;
}

/** Of foreign keys that no transaction can defer. */
function selfReferences(
  table: TableShape,
  carried: readonly ColumnShape[],
): SelfReferences {
  const loosened = new Set<ColumnShape>();
  let isStrict = false;
  for (const key of table.foreignKeys) {
    const isSelf =
      key.parentSchema === table.schema && key.parentTable === table.name;
    if (!isSelf || key.deferrable) {
      continue;
    }
    const columns = key.columns.map((name) => table.columnByName.get(name)!);
    if (!columns.some((column) => carried.includes(column))) {
      continue;
    }
    const column = columns.find(
      (each) => mayBeNull(each) && carried.includes(each),
    );
    if (column) {
      loosened.add(column);
    } else {
      isStrict = true;
    }
  }
  return { loosened: [...loosened], isStrict };
}

/** Whether the table's other unique values can be set to null, and which. */
export function vacatedColumns(table: TableShape): ColumnShape[] | null {
  const vacated = new Set<ColumnShape>();
  for (const key of table.uniqueKeys) {
    const columns = key.map((name) => table.columnByName.get(name)!);
    // Two keys that are null in part and equal otherwise are duplicates:
    // only a key that is null as a whole is none.
    if (!columns.every(mayBeNull)) {
      return null;
    }
    for (const column of columns) {
      vacated.add(column);
    }
  }
  return vacated.size === 0 ? null : [...vacated];
}

function passedColumns({
  table,
  columns,
  passUniqueValues,
}: ShapeRows): ColumnShape[] {
  if (!passUniqueValues || vacatedColumns(table) !== null) {
    return [];
  }
  const names = new Set(table.uniqueKeys.flat());
  return columns.filter(
    ({ name, keyOrdinal }) => keyOrdinal === null && names.has(name),
  );
}

function mayBeNull({ nullable, generated, keyOrdinal }: ColumnShape): boolean {
  return nullable && !generated && keyOrdinal === null;
}

/** ORA-32795, ORA-32796: nobody may write to it, and nothing overrides that. */
export function refuseFixedIdentity(
  table: TableShape,
  columns: readonly ColumnShape[],
): void {
  const fixed = columns.find(({ identity }) => identity === 'always');
  if (fixed) {
    throw new ReplicatorError('E4005', {
      detail: `column "${fixed.name}" of table ${table.schema}.${table.name} is generated always as identity, and Oracle takes no values for it`,
      remedy: `alter table … modify ("${fixed.name}" generated by default as identity) at the target`,
    });
  }
}
