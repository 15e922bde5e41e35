/** Text for rows of a given size, a function of the id. */

/** `{"id": 1000000000, "note": ""}` */
const BARE_NOTE_BYTES = 31;

/** Of the note of a row whose after-image has so many bytes. */
export function noteBytes(rowBytes: number): number {
  return rowBytes - BARE_NOTE_BYTES;
}

/**
 * Letters without order, so that no store makes them smaller; notes begin at
 * different places of it.
 */
export const NOTE_SOURCE = noise(65_536);
export const NOTE_STRIDE = 37;
export const NOTE_STARTS = 32_768;

export function noteText(id: number, rowBytes: number): string {
  const start = (id * NOTE_STRIDE) % NOTE_STARTS;
  return NOTE_SOURCE.slice(start, start + noteBytes(rowBytes));
}

/** The same in every process: a linear congruence, its upper bits. */
function noise(length: number): string {
  const letters =
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let state = 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += letters[state >>> 26];
  }
  return text;
}
