/**
 * The values of rows, as texts and as bytes. Each is made of the other when
 * somebody asks for it: rows that are written as they came are never texts.
 */
import type { JsonText } from '../mutation/mutation.ts';
import { type Cells, encodedCells } from './cells.ts';

export interface RowValues {
  /** `texts[c][r]` is the JSON of column c in row r; made for all of them when first asked for. */
  readonly texts: readonly (readonly JsonText[])[];
  readonly cells: Cells;
  /** Those of some of the rows, which cannot be released. */
  slice(start: number, end: number): RowValues;
  /**
   * Called once they are written: they are not held until the answer comes,
   * half of what the collector had to copy. Whoever asks for them again, to
   * name the row that was refused, has them made anew.
   */
  release(): void;
}

export function textValues(
  texts: readonly (readonly JsonText[])[],
  rowCount: number,
): RowValues {
  let encoded: Cells | null = null;
  return {
    texts,
    get cells() {
      return (encoded ??= encodedCells(texts, rowCount));
    },
    slice: (start, end) =>
      textValues(
        texts.map((column) => column.slice(start, end)),
        end - start,
      ),
    release() {
      encoded = null;
    },
  };
}

/** `again` makes them anew; without it they are held. */
export function cellValues(
  cells: Cells,
  again: (() => RowValues) | null = null,
): RowValues {
  let held: Cells | null = cells;
  let texts: JsonText[][] | null = null;
  const heldCells = (): Cells => (held ??= again!().cells);
  return {
    get texts() {
      return (texts ??= textsOf(heldCells()));
    },
    get cells() {
      return heldCells();
    },
    slice: (start, end) => cellValues(heldCells().slice(start, end)),
    release() {
      if (again) {
        held = null;
        texts = null;
      }
    },
  };
}

function textsOf(cells: Cells): JsonText[][] {
  return Array.from({ length: cells.columnCount }, (_, column) =>
    cells.tokens(column),
  );
}
