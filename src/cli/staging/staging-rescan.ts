import {
  auditOptions,
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { forgetMark, hasMark } from '../../pipeline/feed/table-marks.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf } from '../command-audit.ts';
import { confirmed } from '../confirm.ts';
import { jsonOption } from '../json-option.ts';
import { typedSchema } from '../typed-words.ts';
import { openStagingBeside } from './staging-store.ts';

const rescanOptions = {
  schema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The target schema, as staging list prints it, or as it stands in the webhook path (mydb/public).',
  },
  table: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'The table, with its exact name at the target.',
  },
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Only say what would be forgotten.',
  },
  yes: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Forget without asking; needed where there is no terminal.',
  },
  ...jsonOption,
  ...auditOptions,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const stagingRescanCommand: Command = {
  name: 'staging rescan',
  description:
    'For a table that was taken out of its changefeed and is added again with a scan (initial_scan): the rows of that scan have a time that is resolved already, and are refused with E1029, for as far as anybody can tell they come from a second changefeed. This makes staging forget that the table has delivered, so that its next rows count as a first scan and are applied. The daemon may run meanwhile: it takes the rows when the changefeed sends them again. Rows that were deleted at the source meanwhile stay at the target: empty the table first where there may be such.',
  options: rescanOptions,
  async run(invocation, io) {
    const values = valuesOf(rescanOptions, invocation.values);
    const schema = typedSchema(values.schema);
    const { table } = values;
    if (schema === undefined || table === '') {
      throw new ReplicatorError('E5004', {
        detail: `--${schema === undefined ? 'schema' : 'table'} is missing`,
        remedy:
          'name the schema and the table, as the refusal (E1029) names them',
      });
    }
    await using store = await openStagingBeside(invocation.values);
    const isKnown = await hasMark(store, schema, table, io.signal);
    const report = (forgotten: boolean): void => {
      if (values.json) {
        const outcome = { schema, table, known: isKnown, forgotten };
        io.stdout.write(`${JSON.stringify(outcome)}\n`);
      }
    };
    // With --json the words go where they do not disturb.
    const words = values.json ? io.stderr : io.stdout;
    if (!isKnown) {
      report(false);
      words.write(
        `Nothing to forget: table ${JSON.stringify(table)} has not delivered into ${schema}, as far as this staging knows; its next rows are a first scan anyway. Are the names right, and is it the staging of the daemon (--dataDir, --stagingConn)?\n`,
      );
      return 0;
    }
    words.write(
      `The next rows of table ${JSON.stringify(table)} in ${schema} count as a first scan: those with a time that is resolved already are applied behind everything that is.\nUse this only when the table was added to the changefeed again with a scan, and not while another changefeed sends to ${schema}.\n`,
    );
    if (values['dry-run']) {
      report(false);
      words.write('Dry run: nothing was forgotten.\n');
      return 0;
    }
    if (!values.yes && !(await confirmed(io, 'Forget that it delivered?'))) {
      io.stderr.write('Nothing was forgotten.\n');
      return 1;
    }
    using audit = openCommandAudit(values, io);
    await audit.act(
      'staging rescan',
      { staging: placeOf(values.stagingConn || values.dataDir), schema, table },
      () => forgetMark(store, schema, table, io.signal),
    );
    report(true);
    words.write('Forgotten.\n');
    return 0;
  },
};
