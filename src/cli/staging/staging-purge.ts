import {
  auditOptions,
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import {
  type SchemaName,
  schemaNameParts,
} from '../../mutation/schema-name.ts';
import { printTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import type {
  EntryFilter,
  StagingSize,
  StagingStore,
} from '../../staging/staging.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf } from '../command-audit.ts';
import { confirmed } from '../confirm.ts';
import { count } from '../../lib/count.ts';
import { jsonOption } from '../json-option.ts';
import { approximateBytes, describeTime } from '../printed-text.ts';
import { typedSchema, typedTime } from '../typed-words.ts';
import { filterOptions, openStagingBeside } from './staging-store.ts';

const purgeOptions = {
  ...filterOptions,
  through: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only entries that lie wholly at or before this timestamp (<nanoseconds>.<10 digits>).',
  },
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Only say what would be deleted.',
  },
  yes: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Delete without asking; needed where there is no terminal.',
  },
  ...jsonOption,
  ...auditOptions,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const stagingPurgeCommand: Command = {
  name: 'staging purge',
  description:
    'Deletes the entries of a schema from the staging log, after showing what would go and asking. What is not applied yet is lost to the target: have the changefeed send it again from a cursor. Without --table and --through the checkpoint of the schema in staging is forgotten too; stop the daemon first.\n\nThe target is not touched. While the schema has its row in replicator_checkpoint there, whatever lies at or below that watermark is answered 200 and dropped, however often it is sent. The command prints the statement that deletes the row; run it at the target, with the daemon stopped, when older changes are to be applied again.',
  options: purgeOptions,
  async run(invocation, io) {
    const values = valuesOf(purgeOptions, invocation.values);
    const schema = typedSchema(values.schema);
    if (schema === undefined) {
      throw new ReplicatorError('E5004', {
        detail: '--schema is missing',
        remedy: 'name the schema to purge; replicator staging list shows them',
      });
    }
    const through = typedTime('--through', values.through);
    const filter: EntryFilter = {
      schema,
      ...(values.table === '' ? {} : { table: values.table }),
      ...(through === undefined ? {} : { through }),
    };
    await using store = await openStagingBeside(invocation.values);
    const plan = await planPurge(store, filter, io.signal);
    const forgets = values.table === '' && through === undefined && plan.known;
    const report = (deleted: boolean): void => {
      if (values.json) {
        io.stdout.write(
          `${JSON.stringify(asJson(filter, plan, forgets, deleted))}\n`,
        );
      }
    };
    if (plan.size.entryCount === 0 && !forgets) {
      report(false);
      if (!values.json) {
        io.stdout.write('Nothing to purge: no staged entry is selected.\n');
      }
      return 0;
    }
    // With --json the words go where they do not disturb.
    const words = values.json ? io.stderr : io.stdout;
    words.write(asText(filter, plan, forgets));
    if (values['dry-run']) {
      report(false);
      words.write('Dry run: nothing was deleted.\n');
      return 0;
    }
    if (!values.yes && !(await confirmed(io, 'Delete them for good?'))) {
      io.stderr.write('Nothing was deleted.\n');
      return 1;
    }
    using audit = openCommandAudit(values, io);
    const deleted = await audit.act(
      'staging purge',
      {
        staging: placeOf(values.stagingConn || values.dataDir),
        ...asJson(filter, plan, forgets, true),
      },
      () => store.purge(filter, false, io.signal),
    );
    report(true);
    words.write(
      `Deleted ${count(deleted.entryCount, 'entry', 'entries')}, ${count(deleted.rowCount, 'row', 'rows')}.\n`,
    );
    return 0;
  },
};

interface PurgePlan {
  /** The schema has a checkpoint or entries. */
  readonly known: boolean;
  readonly size: StagingSize;
  /** Of the selected entries those that hold anything not applied. */
  readonly unapplied: StagingSize;
  readonly applied: Timestamp;
}

async function planPurge(
  store: StagingStore,
  filter: EntryFilter,
  signal: AbortSignal,
): Promise<PurgePlan> {
  const schema = filter.schema!;
  const known = (await store.schemas(signal)).includes(schema);
  const { applied } = await store.checkpoint(schema, signal);
  const size = await store.purge(filter, true, signal);
  const appliedThrough =
    filter.through !== undefined && filter.through < applied
      ? filter.through
      : applied;
  const done = await store.purge(
    { ...filter, through: appliedThrough },
    true,
    signal,
  );
  return {
    known,
    size,
    applied,
    unapplied: {
      liveBytes: size.liveBytes - done.liveBytes,
      entryCount: size.entryCount - done.entryCount,
      rowCount: size.rowCount - done.rowCount,
    },
  };
}

function asText(
  filter: EntryFilter,
  plan: PurgePlan,
  forgets: boolean,
): string {
  const { size, unapplied } = plan;
  let text = `${count(size.entryCount, 'entry', 'entries')} of ${filter.schema}${filter.table === undefined ? '' : `, table ${JSON.stringify(filter.table)}`}${filter.through === undefined ? '' : `, through ${describeTime(filter.through)}`}: ${count(size.rowCount, 'row', 'rows')}, ${approximateBytes(size.liveBytes)}.\n`;
  if (unapplied.entryCount > 0) {
    text += `WARNING: ${count(unapplied.entryCount, 'of these entries is', 'of these entries are')} NOT APPLIED to the target yet (${count(unapplied.rowCount, 'row', 'rows')} at most; applied through ${describeTime(plan.applied)}). The source believes them delivered: they are lost unless the changefeed is restarted from a cursor before them.\n`;
  } else if (size.entryCount > 0) {
    text += 'All of it is applied to the target.\n';
  }
  if (forgets) {
    text += `The checkpoint of the schema in staging is forgotten too. The target keeps its own: rows at or below the watermark there stay dropped when they are sent again. To have them applied again, run this at the target while the daemon is stopped:\n  ${forgetAtTarget(filter.schema!)}\n`;
  }
  return text;
}

/**
 * The row that `Target.claimCheckpoint` makes; quoted for any client. Staging
 * does not know the engine: a name of one part is Oracle's, in capitals, or
 * MySQL's, whose quotes are others.
 */
function forgetAtTarget(schema: SchemaName): string {
  const parts = schemaNameParts(schema);
  const name = parts.at(-1)!;
  const namespace =
    parts.length === 1 && !/^[A-Z][A-Z0-9_$#]*$/.test(name)
      ? `\`${name.replaceAll('`', '``')}\``
      : `"${name.replaceAll('"', '""')}"`;
  return `delete from ${namespace}.replicator_checkpoint where schema_name = '${schema.replaceAll("'", "''")}';`;
}

function asJson(
  filter: EntryFilter,
  plan: PurgePlan,
  forgets: boolean,
  deleted: boolean,
): object {
  return {
    schema: filter.schema,
    table: filter.table ?? null,
    through:
      filter.through === undefined ? null : printTimestamp(filter.through),
    entryCount: plan.size.entryCount,
    rowCount: plan.size.rowCount,
    byteCount: plan.size.liveBytes,
    unappliedEntryCount: plan.unapplied.entryCount,
    unappliedRowCount: plan.unapplied.rowCount,
    forgetsCheckpoint: forgets,
    deleted,
  };
}
