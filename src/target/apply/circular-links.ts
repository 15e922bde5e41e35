/**
 * References by which tables refer to one another in a circle, where they
 * cannot wait for the commit. A row is written without them first, and gets
 * them when all rows are there; a row that goes loses them first.
 *
 * Where a circle has no reference that may be null, nobody could have written
 * its rows: the server refuses them, and the refusal says why.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { columnWrites, type Statement } from './apply-steps.ts';
import type { FoldedTable } from './folded-table.ts';
import { keyRows } from '../row-shape.ts';
import { shapeChunks } from './statement-chunks.ts';
import { linkColumn, placesOf, tableKey } from '../table-order.ts';
import type {
  ColumnShape,
  ForeignKey,
  ShapeRows,
  TableShape,
  TargetTransaction,
} from '../target.ts';
import { textValues } from '../row-values.ts';

/** By table: columns that are written last, and what they refer to. */
export type CircularLinks = ReadonlyMap<TableShape, readonly Link[]>;

interface Link {
  readonly column: ColumnShape;
  /** Null meanwhile, also in a row that is there: without it half of the reference would be new. */
  readonly isNulled: boolean;
  readonly parent: FoldedTable;
}

const sqlNull = 'null' as JsonText;

/**
 * Of tables in the order of tableOrder(): references to a table behind, which
 * there are in a circle only. With `own` those to the table itself as well,
 * which most engines look at when the statement ends.
 */
export function circularLinks(
  folded: readonly FoldedTable[],
  { own = false }: { readonly own?: boolean } = {},
): CircularLinks {
  const links = new Map<TableShape, Link[]>();
  for (const { table, parent, column, key } of backward(folded, own)) {
    if (column === null) {
      continue;
    }
    const ofTable = links.get(table) ?? [];
    ofTable.push({
      column,
      parent,
      // A row that is new must not get a default.
      isNulled: column.hasDefault || key.columns.length > 1,
    });
    links.set(table, ofTable);
  }
  return links;
}

function* backward(
  folded: readonly FoldedTable[],
  own: boolean,
): Generator<{
  table: TableShape;
  parent: FoldedTable;
  key: ForeignKey;
  column: ColumnShape | null;
}> {
  if (!folded.some(({ table }) => table.foreignKeys.length > 0)) {
    return;
  }
  const placeOf = placesOf(folded);
  for (const [place, { table }] of folded.entries()) {
    for (const key of table.foreignKeys) {
      const parentPlace = placeOf.get(
        tableKey(key.parentSchema, key.parentTable),
      );
      if (
        parentPlace === undefined ||
        key.deferrable ||
        parentPlace < place ||
        (parentPlace === place && !own)
      ) {
        continue;
      }
      const column = linkColumn(key, table);
      yield {
        table,
        parent: folded[parentPlace]!,
        key,
        // Whoever follows it into null would not follow it back.
        column: column?.referred ? null : column,
      };
    }
  }
}

/** Explains a reference that was refused, where a circle cannot be opened. */
export function refuseCircle(
  folded: readonly FoldedTable[],
  error: unknown,
): unknown {
  if (!(error instanceof ReplicatorError) || error.code !== 'E4004') {
    return error;
  }
  const closed = [...backward(folded, false)].find(
    ({ column }) => column === null,
  );
  if (!closed) {
    return error;
  }
  const { table, parent } = closed;
  return new ReplicatorError('E4021', {
    detail: `${error.message}; the tables ${table.schema}.${table.name} and ${parent.table.schema}.${parent.table.name} refer to one another, and no column of these references may be null`,
    cause: error,
  });
}

/** The rows as they are written first. */
export function withoutLinks(
  folded: readonly FoldedTable[],
  links: CircularLinks,
): readonly FoldedTable[] {
  return links.size === 0
    ? folded
    : folded.map((entry) => {
        const late = lateColumns(links.get(entry.table));
        return late.size === 0
          ? entry
          : {
              ...entry,
              rows: entry.rows.map((shape) => openedRows(shape, late)),
            };
      });
}

/** Whether the columns that are written last are null until then. */
function lateColumns(links: readonly Link[] = []): Map<ColumnShape, boolean> {
  const late = new Map<ColumnShape, boolean>();
  for (const { column, parent, isNulled } of links) {
    if (parent.upsertCount > 0) {
      late.set(column, isNulled || late.get(column) === true);
    }
  }
  return late;
}

function openedRows(
  shape: ShapeRows,
  late: ReadonlyMap<ColumnShape, boolean>,
): ShapeRows {
  if (!shape.columns.some((column) => late.has(column))) {
    return shape;
  }
  const columns = shape.columns.filter((column) => late.get(column) !== false);
  return {
    ...shape,
    columns,
    values: textValues(
      columns.map((column) =>
        late.has(column)
          ? Array.from({ length: shape.rowCount }, () => sqlNull)
          : shape.values.texts[shape.columns.indexOf(column)]!,
      ),
      shape.rowCount,
    ),
  };
}

/** What {@link withoutLinks} has left out. */
export function* linkWrites(
  folded: readonly FoldedTable[],
  links: CircularLinks,
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const { table, rows } of links.size === 0 ? [] : folded) {
    const late = lateColumns(links.get(table));
    for (const shape of late.size === 0 ? [] : rows) {
      yield* columnWrites(shape, (column) => late.has(column), transaction);
    }
  }
}

/** Rows that are to go no longer refer to others that are to go. */
export function* unlinks(
  folded: readonly FoldedTable[],
  links: CircularLinks,
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const entry of links.size === 0 ? [] : folded) {
    const columns = links
      .get(entry.table)
      ?.filter(({ parent }) => parent.deleteCount > 0)
      .map(({ column }) => column);
    yield* nulled(entry, new Set(columns), transaction);
  }
}

/** The same where those others may come in other parts of the transaction. */
export function* unlinksOfAll(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const entry of folded) {
    const { table } = entry;
    const columns = table.foreignKeys
      .filter(({ deferrable }) => !deferrable)
      .map((key) => linkColumn(key, table))
      .filter((column) => column !== null && !column.referred);
    yield* nulled(entry, new Set(columns), transaction);
  }
}

function* nulled(
  { table, deleted }: FoldedTable,
  columns: ReadonlySet<ColumnShape | null>,
  transaction: TargetTransaction,
): Generator<Statement> {
  const links = [...columns].filter((column) => column !== null);
  if (links.length === 0 || deleted.length === 0) {
    return;
  }
  const { keys, rowCount } = keyRows(table, deleted);
  const nulls = Array.from({ length: rowCount }, () => sqlNull);
  const rows: ShapeRows = {
    table,
    columns: [...table.primaryKey, ...links],
    values: textValues([...keys, ...links.map(() => nulls)], rowCount),
    rowCount,
  };
  for (const chunk of shapeChunks(rows)) {
    yield () => transaction.update(chunk);
  }
}
