/**
 * Rows give up their unique values before others are written: a column of
 * each unique key holds a value that nobody has, or null, until the row is
 * written or goes. So it does not matter in which order values pass, and
 * deletes can wait until nothing that is kept refers to their rows.
 *
 * A row that does not carry a key's columns keeps them: what does not change
 * is in nobody's way, for at the end nobody else may have it.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { Statement } from './apply-steps.ts';
import type { FoldedTable } from './folded-table.ts';
import { keyRows } from '../row-shape.ts';
import { SpareValues } from './spare-values.ts';
import { shapeChunks } from './statement-chunks.ts';
import { tableKey } from '../table-order.ts';
import type {
  ColumnShape,
  ParkingRules,
  ShapeRows,
  SpareKind,
  TableShape,
  TargetTransaction,
} from '../target.ts';
import { textValues } from '../row-values.ts';

const sqlNull = 'null' as JsonText;

/** Of each open transaction, so that none comes twice in its parts. */
const sparesOf = new WeakMap<TargetTransaction, SpareValues>();

/** What a column holds meanwhile; null: nothing. */
type Stand = SpareKind | null;

/** Whether rows that carry the columns can give up every unique value that may change. */
export function canPark(
  table: TableShape,
  carried: readonly ColumnShape[],
  rules: ParkingRules,
): boolean {
  return placesOf(table, carried, rules).isComplete;
}

export function* parkings(
  folded: readonly FoldedTable[],
  {
    early,
    transaction,
  }: {
    /** Their deleted rows are gone. */
    readonly early: ReadonlySet<FoldedTable>;
    readonly transaction: TargetTransaction;
  },
): Generator<Statement> {
  const spares = sparesOf.get(transaction) ?? new SpareValues();
  sparesOf.set(transaction, spares);
  for (const entry of folded) {
    const { table, rows, deleted } = entry;
    if (table.uniqueKeys.length === 0) {
      continue;
    }
    if (!early.has(entry) && deleted.length > 0) {
      const { keys, rowCount } = keyRows(table, deleted);
      yield* park({ table, keys, rowCount, carried: table.columns });
    }
    for (const { columns, values, rowCount, replace } of rows) {
      const keys = table.primaryKey.map(
        (column) => values.texts[columns.indexOf(column)]!,
      );
      const carried = replace === true ? table.columns : columns;
      yield* park({ table, keys, rowCount, carried });
    }
  }

  function standIns(
    stand: Stand,
    { place, rowCount }: { readonly place: string; readonly rowCount: number },
  ): JsonText[] {
    return Array.from({ length: rowCount }, () =>
      stand === null ? sqlNull : spares.next(place, stand),
    );
  }

  function* park({
    table,
    keys,
    rowCount,
    carried,
  }: {
    readonly table: TableShape;
    readonly keys: readonly (readonly JsonText[])[];
    readonly rowCount: number;
    readonly carried: readonly ColumnShape[];
  }): Generator<Statement> {
    const { places } = placesOf(table, carried, transaction.parking);
    if (places.size === 0) {
      return;
    }
    const parked: ShapeRows = {
      table,
      columns: [...table.primaryKey, ...places.keys()],
      values: textValues(
        [
          ...keys,
          ...[...places].map(([column, stand]) =>
            standIns(stand, {
              place: `${tableKey(table.schema, table.name)}\u0000${column.name}`,
              rowCount,
            }),
          ),
        ],
        rowCount,
      ),
      rowCount,
    };
    for (const chunk of shapeChunks(parked)) {
      yield async () => {
        try {
          await transaction.update(chunk);
        } catch (error) {
          throw parkingRefusal(table, error);
        }
      };
    }
  }
}

/** A check or a trigger of the target would not have it: that is no fault of the row. */
function parkingRefusal({ schema, name }: TableShape, error: unknown): unknown {
  const isRefusal =
    error instanceof ReplicatorError &&
    (error.disposition === 'set-aside' || error.disposition === 'defer');
  return isRefusal
    ? new ReplicatorError('E4013', {
        detail: `unique values of table ${schema}.${name} have passed between rows, and could not be taken out of the way: ${error.message}`,
        cause: error,
      })
    : error;
}

/** By column what stands in; of several that could, one for each key. */
function placesOf(
  table: TableShape,
  carried: readonly ColumnShape[],
  rules: ParkingRules,
): {
  readonly places: ReadonlyMap<ColumnShape, Stand>;
  readonly isComplete: boolean;
} {
  const places = new Map<ColumnShape, Stand>();
  const referring = new Set(
    table.foreignKeys
      .filter(({ deferrable }) => !deferrable)
      .flatMap(({ columns }) => columns),
  );
  let isComplete = true;
  for (const names of table.uniqueKeys) {
    const key = names.map((name) => table.columnByName.get(name)!);
    if (!key.some((column) => carried.includes(column))) {
      continue;
    }
    const free = key.filter(
      (column) =>
        carried.includes(column) &&
        column.keyOrdinal === null &&
        !column.generated &&
        !column.referred &&
        // Nobody may update it; a row is written anew for its sake.
        column.identity !== 'always',
    );
    const spares = free
      .filter(({ name }) => !referring.has(name))
      .map((column) => ({ column, kind: rules.spareKind(column) }))
      .filter(
        (each): each is { column: ColumnShape; kind: SpareKind } =>
          each.kind !== null,
      )
      .toSorted((a, b) => rank(b.kind) - rank(a.kind));
    const [best] = spares;
    const nulled = best
      ? null
      : rules.nullColumns(
          free.filter(({ nullable }) => nullable),
          key,
        );
    if (best) {
      places.set(best.column, best.kind);
    } else if (nulled) {
      for (const column of nulled) {
        places.set(column, null);
      }
    } else {
      isComplete = false;
    }
  }
  return { places, isComplete };
}

/** Numbers are more often a state or a count, for which a check may look. */
function rank({ kind }: SpareKind): number {
  return ['date', 'timestamp', 'integer', 'text', 'uuid'].indexOf(kind);
}
