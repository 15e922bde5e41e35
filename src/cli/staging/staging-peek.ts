import { shownWord } from '../../config/shown-word.ts';
import {
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import {
  isTruncation,
  type Mutation,
  type TableMutations,
} from '../../mutation/mutation.ts';
import { printTimestamp } from '../../mutation/timestamp.ts';
import { decodeTable } from '../../staging/batch-codec.ts';
import type { StagedEntry } from '../../staging/staging.ts';
import type { Command } from '../command.ts';
import { count } from '../../lib/count.ts';
import { jsonOption } from '../json-option.ts';
import { approximateBytes, describeTime, textTable } from '../printed-text.ts';
import { openStagingBeside } from './staging-store.ts';

const peekOptions = {
  limit: {
    type: 'int',
    default: 20,
    min: 1,
    group: 'Command',
    about: 'How many rows to show.',
  },
  values: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Show the rows themselves. Without it only times, keys, operations and sizes are shown.',
  },
  ...jsonOption,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const stagingPeekCommand: Command = {
  name: 'staging peek',
  description:
    'Prints the rows of the entry with this id (staging list prints ids), in the order in which they are applied. May be used beside a running daemon.',
  options: peekOptions,
  positionals: ['<id>'],
  async run(invocation, { stdout, signal }) {
    const values = valuesOf(peekOptions, invocation.values);
    const id = invocation.positionals[0];
    if (id === undefined) {
      throw new ReplicatorError('E5004', {
        detail: 'the id of an entry is missing',
        remedy: 'give one that replicator staging list prints',
      });
    }
    await using store = await openStagingBeside(invocation.values);
    const entry = await store.entry(id, signal);
    if (entry === null) {
      throw new ReplicatorError('E5002', {
        detail: `no entry has the id ${shownWord(id)}`,
        remedy:
          'replicator staging list shows which there are; an applied one may be retired by now',
      });
    }
    const part = decodeTable(entry);
    const rows = {
      ...part,
      mutations: part.mutations.slice(0, values.limit),
    };
    stdout.write(
      values.json
        ? `${JSON.stringify(asJson(entry, rows, values.values))}\n`
        : asText(entry, rows, values.values),
    );
    return 0;
  },
};

function operation(mutation: Mutation): string {
  if (isTruncation(mutation)) {
    return 'truncate';
  }
  if (mutation.after === null) {
    return 'delete';
  }
  return mutation.movedFrom === undefined ? 'upsert' : 'move';
}

/** The keys of rows without a key hold all their values: then they are row data. */
function holdsRow({ keyColumns }: TableMutations, row: Mutation): boolean {
  return !keyColumns?.length && !isTruncation(row);
}

function keyText({ key, movedFrom }: Mutation): string {
  return movedFrom === undefined ? key : `${movedFrom} to ${key}`;
}

function sizeOf(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text);
}

function asText(
  entry: StagedEntry,
  rows: TableMutations,
  withValues: boolean,
): string {
  const { mutations } = rows;
  let text = `entry ${entry.id} of ${entry.schema}, table ${JSON.stringify(entry.table)}: ${count(entry.rowCount, 'row', 'rows')}, ${approximateBytes(entry.byteCount)}
from ${describeTime(entry.minTime)}
to   ${describeTime(entry.maxTime)}

`;
  if (withValues) {
    for (const row of mutations) {
      text += `${printTimestamp(row.time)}  ${operation(row)}  ${row.key}\n`;
      if (row.movedFrom !== undefined) {
        text += `  from   ${row.movedFrom}\n`;
      }
      if (row.after !== null) {
        text += `  after  ${row.after}\n`;
      }
      if (row.before !== null) {
        text += `  before ${row.before}\n`;
      }
    }
  } else {
    text += textTable(
      ['TIME', 'OP', 'KEY', 'AFTER BYTES', 'BEFORE BYTES'],
      mutations.map((row) => [
        printTimestamp(row.time),
        operation(row),
        holdsRow(rows, row) ? '(the row)' : keyText(row),
        sizeOf(row.after),
        sizeOf(row.before),
      ]),
    );
  }
  if (mutations.length < entry.rowCount) {
    text += `Only the first ${count(mutations.length, 'row', 'rows')}; --limit shows more.\n`;
  }
  return text;
}

/** Keys and rows go in as JSON text: their digits must not pass a number. */
function asJson(
  entry: StagedEntry,
  rows: TableMutations,
  withValues: boolean,
): object {
  return {
    id: entry.id,
    schema: entry.schema,
    table: entry.table,
    rowCount: entry.rowCount,
    byteCount: entry.byteCount,
    rows: rows.mutations.map((row) => ({
      time: printTimestamp(row.time),
      operation: operation(row),
      key: withValues || !holdsRow(rows, row) ? row.key : null,
      ...(row.movedFrom !== undefined && { movedFrom: row.movedFrom }),
      afterBytes: sizeOf(row.after),
      beforeBytes: sizeOf(row.before),
      ...(withValues && { after: row.after, before: row.before }),
    })),
  };
}
