import {
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { timeOfVersion } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { printTimestamp } from '../../mutation/timestamp.ts';
import type {
  Checkpoint,
  EntrySummary,
  StagingSize,
  StagingStore,
} from '../../staging/staging.ts';
import type { Command } from '../command.ts';
import { count } from '../../lib/count.ts';
import { jsonOption } from '../json-option.ts';
import {
  approximateBytes,
  describeTime,
  isoTime,
  textTable,
} from '../printed-text.ts';
import { typedSchema } from '../typed-words.ts';
import { filterOptions, openStagingBeside } from './staging-store.ts';

const listOptions = {
  ...filterOptions,
  limit: {
    type: 'int',
    default: 100,
    min: 1,
    group: 'Command',
    about: 'How many entries to show, the oldest first.',
  },
  ...jsonOption,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const stagingListCommand: Command = {
  name: 'staging list',
  description:
    'Prints the entries of the staging log in the order in which they are applied, then each schema with its totals and its checkpoint. An entry holds the changes of one table from one request. Applied entries stay until --retireOffset has passed. May be used beside a running daemon.',
  options: listOptions,
  async run(invocation, { stdout, signal }) {
    const values = valuesOf(listOptions, invocation.values);
    await using store = await openStagingBeside(invocation.values);
    const schema = typedSchema(values.schema);
    const entries = await store.list(
      {
        ...(schema === undefined ? {} : { schema }),
        ...(values.table === '' ? {} : { table: values.table }),
      },
      values.limit + 1,
      null,
      signal,
    );
    const more = entries.length > values.limit;
    const shown = entries.slice(0, values.limit);
    const schemas = await describeSchemas(store, schema, signal);
    stdout.write(
      values.json
        ? `${JSON.stringify(asJson(shown, more, schemas))}\n`
        : asText(shown, more, schemas),
    );
    return 0;
  },
};

interface SchemaState {
  readonly checkpoint: Checkpoint;
  readonly size: StagingSize;
  readonly backlogRows: number;
}

async function describeSchemas(
  store: StagingStore,
  only: SchemaName | undefined,
  signal: AbortSignal,
): Promise<Map<SchemaName, SchemaState>> {
  const states = new Map<SchemaName, SchemaState>();
  for (const schema of await store.schemas(signal)) {
    if (only === undefined || schema === only) {
      const checkpoint = await store.checkpoint(schema, signal);
      const backlog = await store.backlog(schema, checkpoint.applied, signal);
      states.set(schema, {
        checkpoint,
        size: await store.size(schema, signal),
        backlogRows: backlog.rowCount,
      });
    }
  }
  return states;
}

/** `partly`: the entry's first rows are applied, its last are not. */
function appliedWord(
  entry: EntrySummary,
  schemas: ReadonlyMap<SchemaName, SchemaState>,
): 'yes' | 'no' | 'partly' {
  const applied = schemas.get(entry.schema)?.checkpoint.applied ?? '';
  if (entry.maxTime <= applied) {
    return 'yes';
  }
  return entry.minTime <= applied ? 'partly' : 'no';
}

function asText(
  entries: readonly EntrySummary[],
  more: boolean,
  schemas: ReadonlyMap<SchemaName, SchemaState>,
): string {
  if (entries.length === 0 && schemas.size === 0) {
    return 'Nothing is staged, and no schema has a checkpoint.\n';
  }
  let text =
    entries.length === 0
      ? 'No entries are staged.\n'
      : textTable(
          [
            'SCHEMA',
            'TABLE',
            'ID',
            'MIN TIME',
            'HLC',
            'ROWS',
            'BYTES',
            'APPLIED',
          ],
          entries.map((entry) => [
            entry.schema,
            entry.table,
            entry.id,
            isoTime(entry.minTime),
            printTimestamp(timeOfVersion(entry.minTime)),
            entry.rowCount,
            entry.byteCount,
            appliedWord(entry, schemas),
          ]),
        );
  if (more) {
    text += `Only the first ${count(entries.length, 'entry', 'entries')}; --limit shows more.\n`;
  }
  for (const [schema, { checkpoint, size, backlogRows }] of schemas) {
    text += `
${schema}: ${count(size.entryCount, 'entry', 'entries')}, ${count(size.rowCount, 'row', 'rows')}, ${approximateBytes(size.liveBytes)}
  resolved ${describeTime(checkpoint.resolved)}
  applied  ${describeTime(checkpoint.applied)}
  retired  ${describeTime(checkpoint.retired)}
  ${backlogRows === 0 ? 'everything staged is applied' : `entries not wholly applied hold ${count(backlogRows, 'row', 'rows')}`}
`;
  }
  return text;
}

function asJson(
  entries: readonly EntrySummary[],
  more: boolean,
  schemas: ReadonlyMap<SchemaName, SchemaState>,
): object {
  return {
    entries: entries.map((entry) => ({
      schema: entry.schema,
      table: entry.table,
      id: entry.id,
      minTime: printTimestamp(timeOfVersion(entry.minTime)),
      maxTime: printTimestamp(timeOfVersion(entry.maxTime)),
      rowCount: entry.rowCount,
      byteCount: entry.byteCount,
      applied: appliedWord(entry, schemas),
    })),
    more,
    schemas: [...schemas].map(
      ([schema, { checkpoint, size, backlogRows }]) => ({
        schema,
        entryCount: size.entryCount,
        rowCount: size.rowCount,
        byteCount: size.liveBytes,
        unappliedRowCount: backlogRows,
        resolved: printTimestamp(checkpoint.resolved),
        applied: printTimestamp(checkpoint.applied),
        appliedInTarget: printTimestamp(checkpoint.appliedInTarget),
        retired: printTimestamp(checkpoint.retired),
      }),
    ),
  };
}
