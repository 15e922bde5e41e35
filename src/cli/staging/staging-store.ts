/** What the commands `staging list`, `peek` and `purge` have in common. */
import {
  stagingCommandOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { visibleText } from '../../lib/visible-text.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import {
  type SchemaName,
  schemaName,
  schemaNameParts,
} from '../../mutation/schema-name.ts';
import {
  parseTimestamp,
  printTimestamp,
  type Timestamp,
  wallTimeMs,
} from '../../mutation/timestamp.ts';
import { openStaging } from '../../staging/open.ts';
import type { StagingStore } from '../../staging/staging.ts';

export const jsonOption = {
  json: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Print one JSON object instead of text.',
  },
} as const satisfies OptionTable;

export const filterOptions = {
  schema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only entries of this target schema, as staging list prints it (mydb.public; a part that is not a plain lower-case word stands in double quotes), or as it stands in the webhook path (mydb/public).',
  },
  table: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'Only entries of this table, with its exact name.',
  },
} as const satisfies OptionTable;

/** Opens the store as a guest: makes nothing, locks nobody out. */
export function openStagingBeside(
  values: Readonly<Record<string, unknown>>,
): Promise<StagingStore> {
  const options = valuesOf(stagingCommandOptions, values);
  return openStaging({
    stagingConn: options.stagingConn,
    dataDir: options.dataDir,
    stagingSchema: options.stagingSchema,
    createSchema: false,
    exclusive: false,
    pool: {
      idleTimeMs: options.stagingIdleTime,
      jitterTimeMs: options.stagingJitterTime,
      maxLifetimeMs: options.stagingMaxLifetime,
      maxPoolSize: options.stagingMaxPoolSize,
    },
  });
}

/** Reads a schema as a person types it; undefined when none was given. */
export function typedSchema(text: string): SchemaName | undefined {
  if (text === '') {
    return undefined;
  }
  return text.includes('/')
    ? schemaName(text.split('/').filter((part) => part !== ''))
    : schemaName(schemaNameParts(text as SchemaName));
}

export function typedTime(option: string, text: string): Timestamp | undefined {
  if (text === '') {
    return undefined;
  }
  const time = parseTimestamp(text);
  if (time === null) {
    throw new ReplicatorError('E5002', {
      detail: `${option} ${JSON.stringify(text)} is not a timestamp`,
      remedy:
        'give <nanoseconds>.<10 digits>, as cluster_logical_timestamp() and staging list print it',
    });
  }
  return time;
}

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
