import {
  deadLetterCommandOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { count } from '../../lib/count.ts';
import type { Command } from '../command.ts';
import { nothingFits, openLetters } from './dlq-letters.ts';
import { letterFilter, letterFilterOptions } from './letter-filter.ts';
import { letterJson, letterTable } from './printed-letters.ts';
import { jsonOption } from '../json-option.ts';

const listOptions = {
  ...letterFilterOptions,
  superseded: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Show superseded letters too: rows of which a later version was applied.',
  },
  limit: {
    type: 'int',
    default: 100,
    min: 1,
    group: 'Command',
    about: 'How many letters to show, the oldest first.',
  },
  ...jsonOption,
  ...deadLetterCommandOptions,
} as const satisfies OptionTable;

export const dlqListCommand: Command = {
  name: 'dlq list',
  description:
    'Prints the dead letters of a target schema: which row, what stood in its way, and when. What the row holds is not shown; replicator dlq show prints it. A letter is open until it is retried or discarded, or superseded: a later version of the row was applied. May be used beside a running daemon; only the target is asked.',
  options: listOptions,
  async run(invocation, io) {
    const values = valuesOf(listOptions, invocation.values);
    const filter = {
      ...letterFilter(values),
      includeSuperseded: values.superseded,
    };
    await using stack = new AsyncDisposableStack();
    const open = await openLetters(values, stack, io);
    const { schema, letters } = open;
    const listed = await letters.list(
      filter,
      values.limit + 1,
      null,
      io.signal,
    );
    const more = listed.length > values.limit;
    const shown = listed.slice(0, values.limit);
    if (shown.length === 0) {
      const words = await nothingFits(open, 'dead letters', filter, io.signal);
      if (!values.json) {
        io.stdout.write(words);
        return 0;
      }
    }
    if (values.json) {
      io.stdout.write(
        `${JSON.stringify({ schema, letters: shown.map(letterJson), more })}\n`,
      );
      return 0;
    }
    io.stdout.write(letterTable(shown));
    if (more) {
      const total = await letters.count(filter, io.signal);
      io.stdout.write(
        `Only the first ${count(shown.length, 'letter', 'letters')} of ${total}; --limit shows more.\n`,
      );
    }
    return 0;
  },
};
