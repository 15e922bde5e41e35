import { detachedText } from '../../lib/detached-text.ts';
import { scanObject, skipBlank, unescape } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';

/**
 * Picks the values of a few members out of rows. Rows of one feed nearly
 * always have their members in the same order, so names are compared with
 * those of the last row, and looked up only where they differ.
 */
export class MemberPicker {
  readonly #placeOf: ReadonlyMap<string, number>;
  readonly #values: (JsonText | null)[];
  /** Of the last row, as they stand in the text, still escaped. */
  readonly #names: string[] = [];
  readonly #places: number[] = [];

  constructor(names: readonly string[]) {
    this.#placeOf = new Map(names.map((name, place) => [name, place]));
    this.#values = names.map(() => null);
  }

  /** By place; null where the row lacks it. Valid until the next call. */
  pick(row: JsonText): readonly (JsonText | null)[] {
    const values = this.#values.fill(null);
    if (values.length === 0) {
      return values;
    }
    const names = this.#names;
    const places = this.#places;
    let at = 0;
    scanObject(row, skipBlank(row, 0), (nameStart, nameEnd, start, end) => {
      const name = names[at];
      if (
        name === undefined ||
        name.length !== nameEnd - nameStart ||
        !row.startsWith(name, nameStart)
      ) {
        // Kept beyond the row, whose log entry it must not hold.
        names[at] = detachedText(row.slice(nameStart, nameEnd));
        places[at] = this.#placeOf.get(unescape(row, nameStart, nameEnd)) ?? -1;
      }
      const place = places[at]!;
      if (place >= 0) {
        values[place] = row.slice(start, end) as JsonText;
      }
      at += 1;
    });
    return values;
  }
}
