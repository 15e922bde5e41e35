/**
 * The name that was probably meant, or null: at most a third of the letters
 * may differ, or it goes on where the typed one ends, so that no far-fetched
 * guess is printed.
 */
export function nearestName(
  typed: string,
  names: Iterable<string>,
): string | null {
  const lower = typed.toLowerCase();
  let nearest: string | null = null;
  let nearestDistance = Math.floor(Math.max(typed.length, 3) / 3) + 1;
  for (const name of names) {
    const distance = editDistance(lower, name.toLowerCase());
    if (distance < nearestDistance) {
      nearest = name;
      nearestDistance = distance;
    }
  }
  return nearest ?? (typed.length >= 4 ? nameThatGoesOn(lower, names) : null);
}

/** The shortest that begins so, for who has typed half of it. */
function nameThatGoesOn(lower: string, names: Iterable<string>): string | null {
  let shortest: string | null = null;
  for (const name of names) {
    if (
      name.toLowerCase().startsWith(lower) &&
      (shortest === null || name.length < shortest.length)
    ) {
      shortest = name;
    }
  }
  return shortest;
}

/** Insertions, deletions, replacements and swaps of neighbours, each one. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let distance = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, beforeLast[j - 2]! + 1);
      }
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
