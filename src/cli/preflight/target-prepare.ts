/** `replicator target prepare`: what a target needs beyond tables and grants. */
import { checkTargetGiven } from '../../config/check.ts';
import { redactText } from '../../config/redact.ts';
import {
  auditPlaceOptions,
  globalOptions,
  type OptionTable,
  targetOptions,
  valuesOf,
} from '../../config/options.ts';
import { count } from '../../lib/count.ts';
import { openPreparation } from '../../target/open-target.ts';
import type { Preparation, PreparationStep } from '../../target/preparation.ts';
import type { AuditPlace } from '../../telemetry/audit.ts';
import { typedSchema } from '../typed-words.ts';
import type { Command, CommandIo } from '../command.ts';
import { openCommandAudit, placeOf } from '../command-audit.ts';
import { confirmed } from '../confirm.ts';

const options = {
  targetConn: targetOptions.targetConn,
  applyTimeout: targetOptions.applyTimeout,
  targetSchema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Target schemas, separated by commas, in which to make the tables that the daemon else makes for itself: the watermark and, with --onRowError deadLetter, the dead letters. As they stand in the webhook path (shop/public) or in a log (shop.public).',
  },
  onRowError: targetOptions.onRowError,
  dlqTableName: targetOptions.dlqTableName,
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Print the statements, as a script, and change nothing.',
  },
  yes: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Do not ask.',
  },
  ...auditPlaceOptions,
  ...globalOptions,
} as const satisfies OptionTable;

export const targetPrepareCommand: Command = {
  name: 'target prepare',
  description:
    'With --targetSchema it makes the tables that the daemon keeps at the target, so that its account needs no right to create any: print its grants afterwards (preflight --print-grants).\n\nAt SQL Server it also marks triggers, foreign keys, checks and identity columns NOT FOR REPLICATION and turns lock escalation off, so that rows which were checked and counted at the source are written as they are. Each statement is printed before it runs, and runs whole or not at all. Try --dry-run first: it prints the same script and changes nothing.',
  options,
  async run(invocation, io) {
    const values = valuesOf(options, invocation.values);
    checkTargetGiven(values);
    await using preparation = await openPreparation(
      {
        url: values.targetConn,
        applyTimeoutMs: values.applyTimeout,
        schemas: values.targetSchema
          .split(',')
          .map((text) => typedSchema(text.trim()))
          .filter((name) => name !== undefined),
        dlqTableName: values.dlqTableName,
        setsAside: values.onRowError === 'deadLetter',
      },
      io.signal,
    );
    if (preparation.steps.length === 0) {
      io.stdout.write(
        values.targetSchema === ''
          ? 'nothing to prepare; the tables that the daemon keeps in a schema are made with --targetSchema\n'
          : 'nothing to prepare\n',
      );
      return 0;
    }
    return values['dry-run']
      ? printScript(preparation, io)
      : await prepare(preparation, io, values);
  },
};

function printScript(
  { steps, batchEnd }: Preparation,
  { stdout }: CommandIo,
): number {
  stdout.write(
    redactText(steps.map((step) => scriptOf(step, batchEnd)).join('\n')),
  );
  return 0;
}

function scriptOf(
  { what, statement, needsHand }: PreparationStep,
  batchEnd: string,
): string {
  const hand = needsHand ? ': fill in and run by hand' : '';
  return `-- ${what}${hand}\n${statement}${batchEnd}\n`;
}

async function prepare(
  preparation: Preparation,
  io: CommandIo,
  values: AuditPlace & { readonly targetConn: string; readonly yes: boolean },
): Promise<number> {
  const { steps } = preparation;
  printScript(preparation, io);
  const doable = steps.filter(({ needsHand }) => !needsHand);
  if (doable.length === 0) {
    return 1;
  }
  const question = `Run ${count(doable.length, 'statement', 'statements')} at the target?`;
  if (!values.yes && !(await confirmed(io, question))) {
    io.stdout.write('nothing was changed\n');
    return 1;
  }
  using audit = openCommandAudit(values, io);
  for (const [index, step] of doable.entries()) {
    io.signal.throwIfAborted();
    await audit.act(
      'target prepare',
      {
        target: placeOf(values.targetConn),
        what: step.what,
        statement: step.statement,
      },
      () => preparation.run(step),
    );
    io.stdout.write(`${index + 1}/${doable.length} done: ${step.what}\n`);
  }
  const leftCount = steps.length - doable.length;
  io.stdout.write(
    leftCount === 0
      ? 'the target is prepared\n'
      : `${count(leftCount, 'statement is', 'statements are')} left to run by hand\n`,
  );
  return leftCount === 0 ? 0 : 1;
}
