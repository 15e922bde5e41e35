import {
  auditPlaceOptions,
  deadLetterCommandOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { count } from '../../lib/count.ts';
import {
  type GroupOutcome,
  groupLetters,
  type LetterGroup,
  retryLetters,
} from '../../sequencer/dead-letter/retry-letters.ts';
import { createApplier } from '../../target/applier.ts';
import type { DeadLetter } from '../../target/dead-letters.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf, someOf } from '../command-audit.ts';
import {
  everyLetter,
  nothingFits,
  openLetters,
  requireSchema,
} from './dlq-letters.ts';
import { letterFilter, letterFilterOptions } from './letter-filter.ts';
import { letterTable } from './printed-letters.ts';
import { jsonOption } from '../json-option.ts';

const retryOptions = {
  ...letterFilterOptions,
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Only say what would be retried.',
  },
  ...jsonOption,
  ...auditPlaceOptions,
  ...deadLetterCommandOptions,
} as const satisfies OptionTable;

export const dlqRetryCommand: Command = {
  name: 'dlq retry',
  description:
    'Applies open dead letters to the target and removes those that went through; without a filter all of the schema. The letters of one row go together, in their order, in one transaction, also where the filter selects only some of them. Parents go before children, and what failed is tried again after others went. What fails again stays, and its cause is printed; the exit code is 1 then. Superseded letters are not applied, for the target has a later version. May be used beside a running daemon; only the target is asked.',
  options: retryOptions,
  async run(invocation, io) {
    const values = valuesOf(retryOptions, invocation.values);
    const filter = letterFilter(values);
    await using stack = new AsyncDisposableStack();
    const open = await openLetters(values, stack, io);
    const { target, schema, letters } = open;
    const selected = new Set<string>();
    for await (const { id } of everyLetter(letters, filter, io.signal)) {
      selected.add(id);
    }
    const supersededCount =
      (await letters.count({ ...filter, includeSuperseded: true }, io.signal)) -
      selected.size;
    const words = values.json ? io.stderr : io.stdout;
    const all: DeadLetter[] = [];
    if (selected.size > 0) {
      for await (const letter of everyLetter(letters, {}, io.signal)) {
        all.push(withoutRow(letter));
      }
    }
    const groups = groupLetters(all).filter((group) =>
      group.letters.some(({ id }) => selected.has(id)),
    );
    if (supersededCount > 0) {
      words.write(
        `${count(supersededCount, 'selected letter is', 'selected letters are')} superseded and not applied: a later version of the row was (replicator dlq discard --superseded deletes them).\n`,
      );
    }
    const report = (outcomes: readonly GroupOutcome[]): void => {
      if (values.json) {
        io.stdout.write(
          `${JSON.stringify(asJson(schema, groups, outcomes))}\n`,
        );
      }
    };
    if (groups.length === 0) {
      const text = await nothingFits(
        open,
        'open dead letters',
        filter,
        io.signal,
      );
      report([]);
      words.write(text);
      return 0;
    }
    if (values['dry-run']) {
      const ids = new Set(groups.flatMap(idsOf));
      words.write(letterTable(all.filter(({ id }) => ids.has(id))));
      report([]);
      words.write('Dry run: nothing was tried.\n');
      return 0;
    }
    const shape = await requireSchema(target, schema, io.signal);
    using audit = openCommandAudit(values, io);
    using act = audit.begin('dlq retry', {
      target: placeOf(values.targetConn),
      schema,
      letters: someOf(groups.flatMap(idsOf)),
    });
    const outcomes = await retryLetters(groups, {
      target,
      schema,
      shape,
      tableName: values.dlqTableName,
      applier: createApplier({
        collapse: true,
        ignoreUnknownColumns: values.onUnknown === 'ignore',
      }),
      signal: io.signal,
    });
    const failed = outcomes.filter(({ failure }) => failure !== null);
    const appliedCount = outcomes.reduce(
      (sum, outcome) => sum + outcome.appliedCount,
      0,
    );
    act.done({ appliedCount, failedRowCount: failed.length });
    report(outcomes);
    words.write(
      `Applied ${count(appliedCount, 'letter', 'letters')} of ${count(outcomes.length - failed.length, 'row', 'rows')}.\n`,
    );
    for (const { group, failure } of failed) {
      words.write(
        `${group.table} ${shownKeyOf(all, group)} (${idsOf(group).join(', ')}): ${failure!.line}\n`,
      );
    }
    if (failed.length > 0) {
      throw new ReplicatorError('E5013', {
        detail: `${count(failed.length, 'row', 'rows')} of ${schema} could not be applied, and ${failed.length === 1 ? 'stays' : 'stay'} among the dead letters`,
      });
    }
    return 0;
  },
};

function idsOf({ letters }: LetterGroup): string[] {
  return letters.map(({ id }) => id);
}

function shownKeyOf(all: readonly DeadLetter[], group: LetterGroup): string {
  const last = all.find(({ id }) => id === group.letters.at(-1)!.id)!;
  return last.keyColumns.length === 0 ? '(the row)' : last.mutation.key;
}

/** The rows are read again when they are locked: all at once they may be much. */
function withoutRow(letter: DeadLetter): DeadLetter {
  const { mutation } = letter;
  return {
    ...letter,
    mutation: {
      ...mutation,
      after: mutation.after === null ? null : ('{}' as typeof mutation.after),
      before: null,
    },
  };
}

function asJson(
  schema: string,
  groups: readonly LetterGroup[],
  outcomes: readonly GroupOutcome[],
): object {
  const byGroup = new Map(outcomes.map((outcome) => [outcome.group, outcome]));
  return {
    schema,
    rows: groups.map((group) => {
      const outcome = byGroup.get(group);
      return {
        table: group.table,
        ids: idsOf(group),
        appliedCount: outcome?.appliedCount ?? 0,
        code: outcome?.failure?.code ?? null,
        cause: outcome?.failure?.message ?? null,
        remedy: outcome?.failure?.remedy ?? null,
      };
    }),
  };
}
