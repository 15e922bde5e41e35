/** The command line, in both spellings of every flag that people use. */
import { parseArgs } from 'node:util';
import { ReplicatorError } from '../failure/failure.ts';
import { nearestName } from './nearest-name.ts';
import type { OptionTable } from './option-entry.ts';
import { peerOptions } from './peer-options.ts';
import { shownFlag } from './shown-word.ts';
import type { RawValues } from './raw-value.ts';

export interface ParsedArgv {
  readonly raw: RawValues;
  readonly positionals: readonly string[];
  /** Flags of the peer that this version lacks, in the order given. */
  readonly peerFlags: readonly string[];
  readonly help: boolean;
}

/**
 * Understands `--flag=value`, `--flag value`, `--flag`, `--no-flag`, `-v`,
 * `-vv`, and `--some-flag` for `--someFlag`. The last of several wins, as at the
 * peer. Throws E5001.
 */
export function parseArgv(
  argv: readonly string[],
  table: OptionTable,
  /** Options of other commands: named in the error, not "unknown". */
  known: OptionTable,
): ParsedArgv {
  const { tokens } = parseArgs({
    args: argv.map((word) => asListed(word, table)),
    options: parseArgsOptions(table),
    strict: false,
    tokens: true,
  });
  const raw: RawValues = new Map();
  const positionals: string[] = [];
  const peerFlags: string[] = [];
  let help = false;
  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value);
      continue;
    }
    if (token.kind !== 'option') {
      continue;
    }
    const entry = Object.hasOwn(table, token.name)
      ? table[token.name]
      : undefined;
    const where = shownFlag(token.rawName);
    if (entry === undefined) {
      const negated = token.name.startsWith('no-') ? token.name.slice(3) : '';
      if (Object.hasOwn(table, negated) && table[negated]!.type === 'boolean') {
        raw.set(negated, { text: 'false', where });
      } else if (token.name === 'help' || token.rawName === '-h') {
        help = true;
      } else if (Object.hasOwn(peerOptions, token.name)) {
        peerFlags.push(token.name);
      } else {
        // `-flushSize` is taken for nine flags of one letter.
        const [typed] = argv[token.index]!.split('=', 1);
        throw /^-\w\w/.test(typed!)
          ? unknownFlag(typed!.slice(1), shownFlag(typed!), table, known)
          : unknownFlag(token.name, where, table, known);
      }
    } else if (entry.type === 'boolean') {
      raw.set(token.name, { text: token.value ?? 'true', where });
    } else if (entry.type === 'count') {
      const before = Number(raw.get(token.name)?.text ?? 0);
      raw.set(token.name, { text: token.value ?? String(before + 1), where });
    } else if (
      token.value === undefined ||
      (!token.inlineValue && token.value.startsWith('--'))
    ) {
      throw new ReplicatorError('E5001', {
        detail: `${where} stands without a value`,
        remedy: `write --${token.name}=<${entry.type}>`,
      });
    } else {
      const before =
        entry.type === 'string' && entry.repeatable
          ? raw.get(token.name)?.text
          : undefined;
      // `-k=file`, as at the peer: parseArgs leaves the sign in the value.
      const value =
        token.inlineValue && /^-\w$/.test(where)
          ? token.value.replace(/^=/, '')
          : token.value;
      const text = before === undefined ? value : `${before},${value}`;
      raw.set(token.name, { text, where });
    }
  }
  return { raw, positionals, peerFlags, help };
}

/** `--target-conn=x` as `--targetConn=x`, and `--dryRun` as `--dry-run`, where that is an option. */
function asListed(word: string, table: OptionTable): string {
  const [, typed, rest] = /^--([a-z][\w-]*)(=.*)?$/s.exec(word) ?? [];
  if (typed === undefined || Object.hasOwn(table, typed)) {
    return word;
  }
  const camelCase = typed.replace(/-(.)/g, (_, letter: string) =>
    letter.toUpperCase(),
  );
  const kebabCase = typed.replace(
    /[A-Z]/g,
    (letter) => `-${letter.toLowerCase()}`,
  );
  const name = [camelCase, kebabCase].find((each) =>
    Object.hasOwn(table, each),
  );
  return name === undefined ? word : `--${name}${rest ?? ''}`;
}

function parseArgsOptions(
  table: OptionTable,
): Record<string, { type: 'string' | 'boolean'; short?: string }> {
  return Object.fromEntries([
    ...Object.keys(peerOptions).map((name) => [
      name,
      // The peer's booleans swallow no value; its others do.
      {
        type: /^(bestEffortOnly|enable|disable|ignore|stageDisable)/.test(name)
          ? 'boolean'
          : 'string',
      },
    ]),
    ...Object.entries(table).map(([name, entry]) => [
      name,
      {
        type:
          entry.type === 'boolean' || entry.type === 'count'
            ? 'boolean'
            : 'string',
        ...(entry.short === undefined ? {} : { short: entry.short }),
      },
    ]),
  ]);
}

function unknownFlag(
  name: string,
  where: string,
  table: OptionTable,
  known: OptionTable,
): ReplicatorError {
  if (where.startsWith('--') && Object.hasOwn(known, name)) {
    return new ReplicatorError('E5001', {
      detail: `${where} is not an option of this command`,
      remedy: 'leave it out; replicator help <command> lists those it has',
    });
  }
  const nearest = nearestName(name, visibleNames(table));
  return new ReplicatorError('E5001', {
    detail: `there is no option ${where}`,
    ...(nearest === null ? {} : { remedy: `did you mean --${nearest}?` }),
  });
}

export function visibleNames(table: OptionTable): string[] {
  return Object.keys(table).filter((name) => !table[name]!.hidden);
}
