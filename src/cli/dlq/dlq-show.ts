import {
  deadLetterCommandOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { printTimestamp } from '../../mutation/timestamp.ts';
import type { DeadLetter } from '../../target/dead-letters.ts';
import { visibleText } from '../../lib/visible-text.ts';
import type { Command } from '../command.ts';
import { openLetters } from './dlq-letters.ts';
import {
  letterFilter,
  letterFilterOptions,
  schemaOption,
} from './letter-filter.ts';
import { letterJson, operationOf, stateOf } from './printed-letters.ts';
import { jsonOption } from '../json-option.ts';
import { isoTime } from '../printed-text.ts';

const showOptions = {
  ...schemaOption,
  ...jsonOption,
  ...deadLetterCommandOptions,
} as const satisfies OptionTable;

export const dlqShowCommand: Command = {
  name: 'dlq show',
  description:
    'Prints the dead letter with this id (replicator dlq list prints ids) with all that the row holds, as the source sent it. May be used beside a running daemon; only the target is asked.',
  options: showOptions,
  positionals: ['<id>'],
  async run(invocation, io) {
    const values = valuesOf(showOptions, invocation.values);
    const [id] = invocation.positionals;
    if (id === undefined) {
      throw new ReplicatorError('E5004', {
        detail: 'the id of a dead letter is missing',
        remedy: 'give one that replicator dlq list prints',
      });
    }
    const none = Object.fromEntries(
      Object.keys(letterFilterOptions).map((name) => [name, '']),
    ) as Parameters<typeof letterFilter>[0];
    const filter = {
      ...letterFilter({ ...none, id }),
      includeSuperseded: true,
    };
    await using stack = new AsyncDisposableStack();
    const { schema, letters } = await openLetters(values, stack, io);
    const [letter] = await letters.list(filter, 1, null, io.signal);
    if (!letter) {
      throw new ReplicatorError('E5014', {
        detail: `${schema} has no dead letter with the id ${id}`,
      });
    }
    io.stdout.write(
      values.json
        ? `${JSON.stringify({ schema, ...wholeLetter(letter) })}\n`
        : asText(letter),
    );
    return 0;
  },
};

/** The row goes in as JSON text: its digits must not pass a number. */
function wholeLetter(letter: DeadLetter): object {
  const { key, movedFrom, after, before } = letter.mutation;
  return {
    ...letterJson(letter),
    key,
    movedFrom: movedFrom ?? null,
    after,
    before,
  };
}

function asText(letter: DeadLetter): string {
  const { mutation, supersededAt } = letter;
  const lines: [string, string | null | undefined][] = [
    ['id', letter.id],
    ['table', letter.table],
    ['operation', operationOf(letter)],
    ['time', `${isoTime(mutation.time)} (${printTimestamp(mutation.time)})`],
    ['key columns', letter.keyColumns.join(', ')],
    ['key', mutation.key],
    ['key before', mutation.movedFrom],
    ['code', letter.code],
    ['cause', letter.cause],
    ['set aside', letter.createdAt.toISOString()],
    ['state', stateOf(letter)],
    ['superseded', supersededAt?.toISOString()],
    ['after', mutation.after],
    ['before', mutation.before],
  ];
  return lines
    .filter(([, value]) => value != null && value !== '')
    .map(([name, value]) => `${name.padEnd(11)}  ${visibleText(value!)}\n`)
    .join('');
}
