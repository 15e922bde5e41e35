/** Times, sizes and tables as commands print them. */
import { visibleText } from '../lib/visible-text.ts';
import {
  printTimestamp,
  type Timestamp,
  wallTimeMs,
} from '../mutation/timestamp.ts';

/** `2026-11-21T02:45:08.123Z`; what is not a date prints as `-`. */
export function isoTime(time: Timestamp): string {
  const date = new Date(wallTimeMs(time));
  return Number.isNaN(date.getTime()) || date.getTime() === 0
    ? '-'
    : date.toISOString();
}

/** For the eye: `none` before the first, else ISO and the exact time. */
export function describeTime(time: Timestamp): string {
  const iso = isoTime(time);
  return iso === '-' ? 'none' : `${iso} (${printTimestamp(time)})`;
}

/** For the eye; exact where it is small. */
export function approximateBytes(byteCount: number): string {
  let size = byteCount;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (size < 1024) {
      return `${unit === 'B' ? size : size.toFixed(1)} ${unit}`;
    }
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

/** Columns as wide as their widest cell; numbers to the right. */
export function textTable(
  head: readonly string[],
  cells: readonly (readonly (string | number)[])[],
): string {
  const rows = cells.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell : visibleText(cell))),
  );
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (row: readonly (string | number)[]): string =>
    row
      .map((cell, column) =>
        typeof cell === 'number'
          ? String(cell).padStart(widths[column]!)
          : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}
