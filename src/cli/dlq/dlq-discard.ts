import {
  auditPlaceOptions,
  deadLetterCommandOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { count } from '../../lib/count.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf, someOf } from '../command-audit.ts';
import { confirmed } from '../confirm.ts';
import { everyLetter, nothingFits, openLetters } from './dlq-letters.ts';
import { letterFilter, letterFilterOptions } from './letter-filter.ts';
import { letterTable, stateOf } from './printed-letters.ts';
import { jsonOption } from '../json-option.ts';

/** Letters that one transaction deletes, and that are shown before. */
const atOnce = 500;
const shownCount = 20;

const discardOptions = {
  ...letterFilterOptions,
  superseded: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Only superseded letters: rows of which a later version was applied. Nothing is lost with them.',
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
  ...auditPlaceOptions,
  ...deadLetterCommandOptions,
} as const satisfies OptionTable;

export const dlqDiscardCommand: Command = {
  name: 'dlq discard',
  description:
    'Deletes dead letters, open and superseded ones, after showing what would go and asking. What an open letter holds is lost to the target then: the row stays as it is there until the source changes it again. Without a filter all letters of the schema go. May be used beside a running daemon; only the target is asked.',
  options: discardOptions,
  async run(invocation, io) {
    const values = valuesOf(discardOptions, invocation.values);
    const filter = { ...letterFilter(values), includeSuperseded: true };
    await using stack = new AsyncDisposableStack();
    const open = await openLetters(values, stack, io);
    const { target, schema, letters } = open;
    const ids: string[] = [];
    const first = [];
    let openCount = 0;
    for await (const letter of everyLetter(letters, filter, io.signal)) {
      if (values.superseded && letter.supersededAt === null) {
        continue;
      }
      ids.push(letter.id);
      openCount += stateOf(letter) === 'open' ? 1 : 0;
      if (first.length < shownCount) {
        first.push(letter);
      }
    }
    const report = (deletedCount: number): void => {
      if (values.json) {
        io.stdout.write(
          `${JSON.stringify({ schema, ids, openCount, deletedCount })}\n`,
        );
      }
    };
    // With --json the words go where they do not disturb.
    const words = values.json ? io.stderr : io.stdout;
    if (ids.length === 0) {
      const selected = values.superseded
        ? 'superseded dead letters'
        : 'dead letters';
      const text = await nothingFits(open, selected, filter, io.signal);
      report(0);
      words.write(text);
      return 0;
    }
    words.write(letterTable(first));
    if (ids.length > first.length) {
      words.write(`and ${ids.length - first.length} more.\n`);
    }
    if (openCount > 0) {
      words.write(
        `WARNING: ${count(openCount, 'of these letters is', 'of these letters are')} OPEN: the target does not have what they hold, and will not get it.\n`,
      );
    }
    if (values['dry-run']) {
      report(0);
      words.write('Dry run: nothing was deleted.\n');
      return 0;
    }
    if (!values.yes && !(await confirmed(io, 'Delete them for good?'))) {
      io.stderr.write('Nothing was deleted.\n');
      return 1;
    }
    using audit = openCommandAudit(values, io);
    using act = audit.begin('dlq discard', {
      target: placeOf(values.targetConn),
      schema,
      openCount,
      letters: someOf(ids),
    });
    let deletedCount = 0;
    for (let start = 0; start < ids.length; start += atOnce) {
      await using transaction = await target.begin(io.signal);
      const box = transaction.deadLetters(schema, values.dlqTableName);
      const taken = await box.take(ids.slice(start, start + atOnce));
      await box.remove(taken.map(({ id }) => id));
      await transaction.commit(null);
      deletedCount += taken.length;
    }
    act.done({ deletedCount });
    report(deletedCount);
    words.write(`Deleted ${count(deletedCount, 'letter', 'letters')}.\n`);
    return 0;
  },
};
