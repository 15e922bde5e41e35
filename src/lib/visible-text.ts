/** Control characters, and marks that turn the direction of what follows. */
const unseen =
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * One line in which every sign shows as itself: a name from a database must
 * not break it, move the cursor or colour the terminal.
 */
export function visibleText(text: string): string {
  return text.replace(
    unseen,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
