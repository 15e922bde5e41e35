/** A name of PostgreSQL in a line that a person copies. */

const breaking = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Quoted; control characters, line breaks with them, by their numbers. */
export function postgresNameOnOneLine(name: string): string {
  const quoted = name.replaceAll('"', '""');
  const escaped = quoted
    .replaceAll('\\', '\\\\')
    .replace(
      breaking,
      (character) =>
        `\\${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  return name.search(breaking) < 0 ? `"${quoted}"` : `U&"${escaped}"`;
}
