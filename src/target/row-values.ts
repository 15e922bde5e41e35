/**
 * The values of rows, as texts and as bytes. Each is made of the other when
 * somebody asks for it: rows that are written as they came are never texts.
 *
 * Classes, here and for all that a batch is made of: V8 gives each object
 * literal with a getter a hidden class of its own among the old objects, and
 * that holds what the getter sees until the next full collection.
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
  return new TextValues(texts, rowCount);
}

/** `again` makes them anew; without it they are held. */
export function cellValues(
  cells: Cells,
  again: (() => RowValues) | null = null,
): RowValues {
  return new CellValues(cells, again);
}

class TextValues implements RowValues {
  readonly texts: readonly (readonly JsonText[])[];
  readonly #rowCount: number;
  #cells: Cells | null = null;

  constructor(texts: readonly (readonly JsonText[])[], rowCount: number) {
    this.texts = texts;
    this.#rowCount = rowCount;
  }

  get cells(): Cells {
    return (this.#cells ??= encodedCells(this.texts, this.#rowCount));
  }

  slice(start: number, end: number): RowValues {
    return new TextValues(
      this.texts.map((column) => column.slice(start, end)),
      end - start,
    );
  }

  release(): void {
    this.#cells = null;
  }
}

class CellValues implements RowValues {
  readonly #again: (() => RowValues) | null;
  #cells: Cells | null;
  #texts: JsonText[][] | null = null;

  constructor(cells: Cells, again: (() => RowValues) | null) {
    this.#cells = cells;
    this.#again = again;
  }

  get texts(): readonly (readonly JsonText[])[] {
    return (this.#texts ??= textsOf(this.cells));
  }

  get cells(): Cells {
    return (this.#cells ??= this.#again!().cells);
  }

  slice(start: number, end: number): RowValues {
    return new CellValues(this.cells.slice(start, end), null);
  }

  release(): void {
    if (this.#again) {
      this.#cells = null;
      this.#texts = null;
    }
  }
}

function textsOf(cells: Cells): JsonText[][] {
  return Array.from({ length: cells.columnCount }, (_, column) =>
    cells.tokens(column),
  );
}
