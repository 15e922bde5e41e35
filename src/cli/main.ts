/** From a command line to an exit code. */
import { redactText } from '../config/redact.ts';
import { loadOptions } from '../config/load.ts';
import { nearestName } from '../config/nearest-name.ts';
import { shownWord } from '../config/shown-word.ts';
import { peerCommands } from '../config/peer-options.ts';
import { globalOptions } from '../config/options.ts';
import { isAbort, ReplicatorError } from '../failure/failure.ts';
import { finalSourceCodes } from '../failure/source-codes.ts';
import { shownMessage, shownStack } from '../failure/shown-message.ts';
import type { Command, CommandIo } from './command.ts';
import { commands, matchCommand } from './commands.ts';
import { guardedIo } from './guarded-io.ts';

/** What the peer and most tools call a usage error. */
const usageCodes = new Set(['E5001', 'E5002', 'E5004', 'E5008']);

/**
 * A command that a signal kept from its end, as shells name it. The daemon,
 * whose end a signal is, returns 0 by itself.
 */
const interruptedExitCode = 130;

/** Never rejects: every failure is one line on stderr and an exit code. */
export async function main(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  io: CommandIo,
): Promise<number> {
  try {
    return await dispatch(argv, env, io);
  } catch (error) {
    if (io.signal.aborted && isAbort(error)) {
      return interruptedExitCode;
    }
    guardedIo(io).stderr.write(`${failureLine(error, env)}\n`);
    return exitCodeOf(error);
  }
}

/** 2: the command line; 3: what starting again cannot mend; 1: all else. */
function exitCodeOf(error: unknown): number {
  if (!(error instanceof ReplicatorError)) {
    return 1;
  }
  return usageCodes.has(error.code)
    ? 2
    : finalSourceCodes.has(error.code)
      ? 3
      : 1;
}

async function dispatch(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  io: CommandIo,
): Promise<number> {
  const { leading, words } = splitLeadingOptions(argv);
  if (words.length === 0) {
    const { printOverview } = await import('./help.ts');
    if (leading.includes('--version')) {
      const version = await commands['version']!.load();
      return version.run({ values: {}, positionals: [] }, io);
    }
    const asked = leading.some((word) => word === '--help' || word === '-h');
    printOverview(asked ? io.stdout : io.stderr);
    return asked ? 0 : 2;
  }
  const match = matchCommand(words);
  if (match === null) {
    const { printFamily } = await import('./help.ts');
    if (printFamily(words, io)) {
      return words.some((word) => word === '--help' || word === '-h') ? 0 : 2;
    }
    throw unknownCommand(words);
  }
  const command = await commands[match.name]!.load();
  return runCommand(command, [...leading, ...match.rest], env, io);
}

async function runCommand(
  command: Command,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  io: CommandIo,
): Promise<number> {
  const table = { ...command.options, ...globalOptions };
  const loaded = await loadOptions(table, argv, env);
  if (loaded.help) {
    const { commandHelp } = await import('./help.ts');
    io.stdout.write(commandHelp(command));
    return 0;
  }
  const most = command.positionals ?? [];
  // `help` takes the words of a command's name, however many.
  if (command.name !== 'help' && loaded.positionals.length > most.length) {
    throw new ReplicatorError('E5001', {
      detail: `${shownWord(loaded.positionals[most.length]!)} is one argument too many for ${command.name}`,
      remedy: `see replicator help ${command.name}`,
    });
  }
  for (const warning of loaded.warnings) {
    io.stderr.write(`replicator: warning: ${warning}\n`);
  }
  return command.run(
    {
      values: loaded.values,
      positionals: loaded.positionals,
      exposed: loaded.exposed,
    },
    command.printsSecrets
      ? { ...guardedIo(io), stdout: io.stdout }
      : guardedIo(io),
  );
}

/** Global options may stand before the command: `replicator -v start`. */
function splitLeadingOptions(argv: readonly string[]): {
  leading: string[];
  words: string[];
} {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith('-')) {
    const word = argv[at]!;
    const name = word.replace(/^--/, '');
    const takesValue =
      Object.hasOwn(globalOptions, name) &&
      globalOptions[name as keyof typeof globalOptions].type !== 'count';
    at += takesValue ? 2 : 1;
  }
  return { leading: argv.slice(0, at), words: argv.slice(at) };
}

function unknownCommand(words: readonly string[]): ReplicatorError {
  const typed = words.filter((word) => !word.startsWith('-'));
  const first = typed[0] ?? '';
  if (Object.hasOwn(peerCommands, first)) {
    return new ReplicatorError('E5008', {
      detail: `the command ${first} is not available in this version`,
      remedy: peerCommands[first]!,
    });
  }
  const names = Object.keys(commands);
  const two = typed.slice(0, 2).join(' ');
  const meant = names.some((name) => name.startsWith(`${first} `))
    ? two
    : first;
  const nearest = nearestName(two, names) ?? nearestName(first, names);
  return new ReplicatorError('E5001', {
    detail: `there is no command ${shownWord(meant)}`,
    ...(nearest === null ? {} : { remedy: `did you mean ${nearest}?` }),
  });
}

/** One line, whatever was thrown; with its stack where that was asked for. */
export function failureLine(error: unknown, env: NodeJS.ProcessEnv): string {
  if (error instanceof ReplicatorError) {
    const cause =
      error.cause instanceof Error && error.code.startsWith('E4')
        ? ` (${shownMessage(error.cause)})`
        : '';
    return redactText(oneLine(`replicator: ${error.line}${cause}`));
  }
  const text = shownMessage(error);
  const stack =
    env['REPLICATOR_STACK'] && error instanceof Error
      ? `\n${shownStack(error, text) ?? ''}`
      : '';
  return redactText(
    `replicator: unexpected failure: ${oneLine(text)} (REPLICATOR_STACK=1 shows where)${stack}`,
  );
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}
