/** `replicator help`, all of it printed from the tables. */
import { shownWord } from '../config/shown-word.ts';
import { environmentName } from '../config/environment.ts';
import {
  type OptionEntry,
  optionGroups,
  type OptionTable,
} from '../config/option-entry.ts';
import { printOptionValue } from '../config/option-value.ts';
import { globalOptions } from '../config/options.ts';
import { ReplicatorError } from '../failure/failure.ts';
import type { Command, CommandIo } from './command.ts';
import { commands, matchCommand } from './commands.ts';
import { wrapText } from './wrap-text.ts';

export const helpCommand: Command = {
  name: 'help',
  description:
    'Without an argument: which commands there are. With the name of a command: what it does and all of its options.',
  options: {},
  positionals: ['[command]'],
  async run({ positionals }, io) {
    if (positionals.length === 0) {
      printOverview(io.stdout);
      return 0;
    }
    const match = matchCommand(positionals);
    if (match === null) {
      if (printFamily(positionals, { ...io, stderr: io.stdout })) {
        return 0;
      }
      throw new ReplicatorError('E5001', {
        detail: `there is no command ${shownWord(positionals.join(' '))}`,
      });
    }
    io.stdout.write(commandHelp(await commands[match.name]!.load()));
    return 0;
  },
};

export function printOverview(stream: NodeJS.WritableStream): void {
  stream.write(
    [
      'Keeps a PostgreSQL, MySQL, MariaDB, SQL Server or Oracle database equal to a',
      'CockroachDB cluster or a PostgreSQL server: takes its changefeeds over a',
      'webhook or reads its slot, makes every change durable, applies it in order.',
      '',
      'Usage: replicator <command> [options]',
      '',
      'Commands:',
      ...summaryLines(Object.keys(commands)),
      '',
      'replicator help <command> explains a command and its options. Each option may',
      `also be an environment variable (--flushSize is ${environmentName('flushSize')}) or a`,
      'line of a YAML file (--config); a flag wins over the variable, that over the',
      'file. Connection strings may be env:NAME or file:PATH.',
      '',
    ].join('\n'),
  );
}

/** `replicator staging`: the commands that begin so. False when none does. */
export function printFamily(
  words: readonly string[],
  io: Pick<CommandIo, 'stderr'>,
): boolean {
  const next = words[1];
  const names = Object.keys(commands).filter((name) =>
    name.startsWith(`${words[0]} `),
  );
  if (names.length === 0 || (next !== undefined && !next.startsWith('-'))) {
    return false;
  }
  io.stderr.write(
    [
      `Usage: replicator ${words[0]} <command> [options]`,
      '',
      'Commands:',
      ...summaryLines(names),
      '',
    ].join('\n'),
  );
  return true;
}

function summaryLines(names: readonly string[]): string[] {
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return names.map(
    (name) => `  ${name.padEnd(width)}${commands[name]!.summary}`,
  );
}

export function commandHelp(command: Command): string {
  const table: OptionTable = { ...command.options, ...globalOptions };
  const positionals = (command.positionals ?? []).map((name) => ` ${name}`);
  const lines = [
    `Usage: replicator ${command.name}${positionals.join('')} [options]`,
    '',
    ...command.description
      .split('\n\n')
      .flatMap((paragraph) => [...wrapText(paragraph, 78), '']),
  ];
  for (const group of optionGroups) {
    const entries = Object.entries(table).filter(
      ([, entry]) => entry.group === group && !entry.hidden,
    );
    if (entries.length > 0) {
      lines.push(`${group}:`);
      for (const [name, entry] of entries) {
        lines.push(`  ${optionSignature(name, entry)}`);
        lines.push(
          ...wrapText(aboutText(entry) + defaultText(entry), 70).map(
            (line) => `      ${line}`,
          ),
        );
      }
      lines.push('');
    }
  }
  return lines.join('\n');
}

/** `-v, --verbose`, `--flushSize <rows>`, `--logFormat text|fluent`. */
export function optionSignature(name: string, entry: OptionEntry): string {
  const short = entry.short === undefined ? '' : `-${entry.short}, `;
  return `${short}--${name}${valuePlaceholder(entry)}`;
}

function valuePlaceholder(entry: OptionEntry): string {
  switch (entry.type) {
    case 'boolean':
    case 'count':
      return '';
    case 'enum':
      return ` ${entry.values.join('|')}`;
    case 'int':
    case 'float':
      return ` <${entry.unit ?? 'number'}>`;
    case 'string':
      return ' <text>';
    case 'duration':
    case 'bytes':
      return ` <${entry.type}>`;
  }
}

/** The paragraph of help and docs. */
export function aboutText(entry: OptionEntry): string {
  return entry.secret
    ? `${entry.about} May be env:NAME or file:PATH.`
    : entry.about;
}

function defaultText(entry: OptionEntry): string {
  if (entry.type === 'boolean') {
    return entry.default ? ' (default: on; --no-… switches it off)' : '';
  }
  return entry.default === '' || entry.type === 'count'
    ? ''
    : ` (default: ${printOptionValue(entry, entry.default)})`;
}
