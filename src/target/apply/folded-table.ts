/** What one table needs of the target: its mutations folded and cut into shapes. */
import type { Emptying } from '../../mutation/emptied-table.ts';
import { foldByContent } from '../../mutation/fold-content.ts';
import { foldByKey, type FoldedRow } from '../../mutation/fold.ts';
import type {
  EncodedRows,
  JsonText,
  Mutation,
} from '../../mutation/mutation.ts';
import { zeroTimestamp } from '../../mutation/timestamp.ts';
import { requireWritableKey } from '../require-key.ts';
import { groupByShape, RowCutter } from '../row-cutter.ts';
import { type KeyMove, wholeRowTest } from '../row-shape.ts';
import { cellValues } from '../row-values.ts';
import type { ShapeRows, TableRows, TableShape } from '../target.ts';
import { refersToItself } from './statement-chunks.ts';

export interface FoldedTable {
  readonly table: TableShape;
  /** All rows go first; null where they stay. */
  readonly emptied: Emptying | null;
  /** Keys whose rows go before rows move to them. */
  readonly freed: readonly JsonText[];
  /** One after the other: what stands in the way of a move moves before it. */
  readonly moveWaves: readonly (readonly KeyMove[])[];
  /** Each in one step: every row stands where another of its circle goes. */
  readonly moveCircles: readonly (readonly KeyMove[])[];
  readonly rows: readonly ShapeRows[];
  readonly deleted: readonly JsonText[];
  /** Of a table without a primary key, instead of `rows` and `deleted`. */
  readonly inserted: readonly ShapeRows[];
  readonly deletedRows: readonly ShapeRows[];
  readonly upsertCount: number;
  readonly deleteCount: number;
}

export interface FoldOptions {
  readonly ignoreUnknownColumns: boolean;
  /**
   * Deletes may come before all that they must not touch is written: what
   * refers to a row that gets another key follows it, and does not go.
   */
  readonly deletesEarly?: boolean;
}

/** Values that are released and then asked for again are folded again. */
export function foldTable(
  source: TableRows,
  options: FoldOptions,
): FoldedTable {
  const folded = foldAnew(source, options);
  return {
    ...folded,
    rows: folded.rows.map((rows, index) => ({
      ...rows,
      values: cellValues(
        rows.values.cells,
        () => foldAnew(source, options).rows[index]!.values,
      ),
    })),
  };
}

function foldAnew(source: TableRows, options: FoldOptions): FoldedTable {
  const { table, encoded } = source;
  if (table.primaryKey.length === 0) {
    return foldKeyless(table, source.mutations, options);
  }
  if (encoded && !encoded.isEmptied) {
    const repeated = repeatedHashes(encoded);
    if (isOrderFree(table) || (repeated.size === 0 && isInOrder(encoded))) {
      return foldEncoded(table, encoded, { repeated, options });
    }
  }
  return foldKeyed(table, source.mutations, options);
}

/**
 * The hashes of keys of several rows. Each row is looked up in slots that hold
 * the number of a row behind the one meant: a Set takes five times as long.
 */
function repeatedHashes({ keyHashes }: EncodedRows): ReadonlySet<number> {
  const repeated = new Set<number>();
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * keyHashes.length)));
  const last = slots.length - 1;
  for (let row = 0; row < keyHashes.length; row += 1) {
    const hash = keyHashes[row]!;
    let slot = hash & last;
    while (slots[slot] !== 0 && keyHashes[slots[slot]! - 1] !== hash) {
      slot = (slot + 1) & last;
    }
    if (slots[slot] === 0) {
      slots[slot] = row + 1;
    } else {
      repeated.add(hash);
    }
  }
  return repeated;
}

/** Rows of several requests that are applied together need not be. */
function isInOrder(rows: EncodedRows): boolean {
  let isSorted = true;
  let last = zeroTimestamp;
  rows.forEachKey((_units, _start, _end, _hash, time) => {
    isSorted &&= time >= last;
    last = time;
  });
  return isSorted;
}

/** Whether no row of the table can be in the way of another one. */
function isOrderFree(table: TableShape): boolean {
  return table.uniqueKeys.length === 0 && !refersToItself(table);
}

/**
 * What foldKeyed makes of them, save that those of which there are several
 * versions come last. The others are cut where they lie, and never decoded.
 */
function foldEncoded(
  table: TableShape,
  rows: EncodedRows,
  {
    repeated,
    options,
  }: {
    readonly repeated: ReadonlySet<number>;
    readonly options: FoldOptions;
  },
): FoldedTable {
  const deleted: JsonText[] = [];
  const versions: Mutation[] = [];
  const { ignoreUnknownColumns } = options;
  const cutter = new RowCutter(
    table,
    { ignoreUnknownColumns, replace: false },
    rows.rowCount,
  );
  let row = 0;
  rows.forEach((bytes, keyStart, afterStart, afterEnd, time) => {
    if (repeated.size > 0 && repeated.has(rows.keyHashes[row]!)) {
      const key = textOf(bytes, keyStart, afterStart);
      const after = afterEnd < 0 ? null : textOf(bytes, afterStart, afterEnd);
      versions.push({ time, key, after, before: null });
    } else if (afterEnd < 0) {
      deleted.push(textOf(bytes, keyStart, afterStart));
    } else {
      cutter.add(bytes, afterStart, afterEnd, keyStart);
    }
    row += 1;
  });
  const folded = foldKeyed(table, versions, { ...options, cutter });
  const upsertCount =
    rows.rowCount - versions.length - deleted.length + folded.upsertCount;
  if (upsertCount > 0) {
    requireWritableKey(table);
  }
  return {
    ...folded,
    deleted: [...deleted, ...folded.deleted],
    upsertCount,
    deleteCount: deleted.length + folded.deleteCount,
  };
}

function textOf(bytes: Buffer, start: number, end: number): JsonText {
  return bytes.toString('utf8', start, end) as JsonText;
}

function foldKeyed(
  table: TableShape,
  mutations: readonly Mutation[],
  {
    ignoreUnknownColumns,
    deletesEarly = false,
    cutter = new RowCutter(table, { ignoreUnknownColumns, replace: false }),
  }: FoldOptions & {
    /** May have rows already. */
    readonly cutter?: RowCutter;
  },
): FoldedTable {
  const folded = foldByKey(mutations, {
    isWhole: wholeRowTest(table),
    isKeyColumn: (name) => table.columnByName.get(name)?.keyOrdinal != null,
    movesWhole: deletesEarly && table.deleteHasEffects === true,
  });
  const deleted: JsonText[] = [];
  const upserted: FoldedRow[] = [];
  const replaced: FoldedRow[] = [];
  for (const mutation of folded.mutations) {
    if (mutation.kind === 'delete') {
      deleted.push(mutation.key);
    } else {
      (mutation.kind === 'replace' ? replaced : upserted).push(mutation);
    }
  }
  if (upserted.length > 0 || replaced.length > 0) {
    requireWritableKey(table);
  }
  cutter.addAll(upserted);
  return {
    table,
    emptied: folded.emptied,
    ...movesOf(upserted),
    rows: [
      ...cutter.shapes(),
      ...groupByShape(table, replaced, { ignoreUnknownColumns, replace: true }),
    ],
    deleted,
    inserted: [],
    deletedRows: [],
    upsertCount: upserted.length + replaced.length,
    deleteCount: deleted.length,
  };
}

function foldKeyless(
  table: TableShape,
  mutations: readonly Mutation[],
  { ignoreUnknownColumns }: FoldOptions,
): FoldedTable {
  const { emptied, inserted, deleted } = foldByContent(mutations);
  const options = { ignoreUnknownColumns, replace: false };
  return {
    table,
    emptied,
    freed: [],
    moveWaves: [],
    moveCircles: [],
    rows: [],
    deleted: [],
    inserted: groupByShape(table, inserted, options),
    deletedRows: groupByShape(table, deleted, options),
    upsertCount: inserted.length,
    deleteCount: deleted.length,
  };
}

function movesOf(
  rows: readonly FoldedRow[],
): Pick<FoldedTable, 'freed' | 'moveWaves' | 'moveCircles'> {
  const moves: KeyMove[] = [];
  const taken: JsonText[] = [];
  const spare = new Set<KeyMove>();
  for (const { key, movedFrom, takesKey, couldStay } of rows) {
    if (movedFrom !== undefined) {
      const move = { from: movedFrom, to: key };
      moves.push(move);
      if (couldStay) {
        spare.add(move);
      }
      if (takesKey) {
        taken.push(key);
      }
    }
  }
  const byFrom = new Map(moves.map((move) => [move.from, move]));
  return {
    // What moves away itself is not in the way.
    freed: taken.filter((key) => !byFrom.has(key)),
    ...withoutSpare(inOrder(moves, byFrom), spare),
  };
}

/** In a circle no key is left: rows that are whole are written over one another. */
function withoutSpare(
  { moveWaves, moveCircles }: Pick<FoldedTable, 'moveWaves' | 'moveCircles'>,
  spare: ReadonlySet<KeyMove>,
): Pick<FoldedTable, 'moveWaves' | 'moveCircles'> {
  return {
    moveWaves,
    moveCircles: moveCircles.filter(
      (circle) => !circle.every((move) => spare.has(move)),
    ),
  };
}

/**
 * Rows that pass keys on: the one at the end of the row moves first. No key
 * is left twice or taken twice, so that a row of moves never joins another,
 * and one that comes back does so where it began.
 */
function inOrder(
  moves: readonly KeyMove[],
  byFrom: ReadonlyMap<JsonText, KeyMove>,
): Pick<FoldedTable, 'moveWaves' | 'moveCircles'> {
  const waveOf = new Map<KeyMove, number>();
  const moveWaves: KeyMove[][] = [];
  const moveCircles: KeyMove[][] = [];
  for (const first of moves) {
    const path: KeyMove[] = [];
    let move: KeyMove | undefined = first;
    while (move && !waveOf.has(move) && (move !== first || !path.length)) {
      path.push(move);
      move = byFrom.get(move.to);
    }
    const isCircle = move === first && path.length > 0;
    let wave = move === undefined ? 0 : (waveOf.get(move) ?? -1) + 1;
    for (const each of path.toReversed()) {
      waveOf.set(each, wave);
      if (!isCircle) {
        (moveWaves[wave] ??= []).push(each);
        wave += 1;
      }
    }
    if (isCircle) {
      moveCircles.push(path);
    }
  }
  return { moveWaves, moveCircles };
}
