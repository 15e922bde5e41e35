/** Sizes in bytes: `64MiB` (powers of 1024), `100MB` (powers of 1000), `4096`. */

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Whole bytes, or null when the text is not a size. */
export function parseByteSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text);
  const unit = match === null ? undefined : unitBytes[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) {
    return null;
  }
  const sizeBytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : null;
}

/** Exact: the largest unit that divides the size, else plain bytes. */
export function formatByteSize(sizeBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const size = unitBytes[unit.toLowerCase()]!;
    if (sizeBytes >= size && sizeBytes % size === 0) {
      return `${sizeBytes / size}${unit}`;
    }
  }
  return `${sizeBytes}B`;
}
