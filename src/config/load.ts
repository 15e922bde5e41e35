/**
 * All sources of options in one place. A flag wins over an environment
 * variable, that over the config file, that over the default.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { parseArgv } from './argv.ts';
import { configFileValues } from './config-file.ts';
import { environmentName, environmentValues } from './environment.ts';
import type { OptionTable, OptionValues } from './option-entry.ts';
import { type OptionValue, optionValue } from './option-value.ts';
import { startOptions } from './options.ts';
import { peerOptions } from './peer-options.ts';
import type { RawValues } from './raw-value.ts';

export interface LoadedOptions<T extends OptionTable> {
  readonly values: OptionValues<T>;
  readonly positionals: readonly string[];
  /** `--help` or `-h` stood on the line; nothing else was looked at. */
  readonly help: boolean;
  /** Secret options whose secret stands on the command line itself. */
  readonly exposed: readonly string[];
  /** One line each, for stderr. */
  readonly warnings: readonly string[];
}

/** Rejects with E5001, E5002, E5003, E5005 or E5008, one clear line each. */
export async function loadOptions<const T extends OptionTable>(
  table: T,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<LoadedOptions<T>> {
  const flags = parseArgv(argv, table, startOptions);
  if (flags.help) {
    return {
      values: defaultValues(table),
      positionals: flags.positionals,
      help: true,
      exposed: [],
      warnings: [],
    };
  }
  const fromEnv = environmentValues(env, table, startOptions);
  const path =
    flags.raw.get('config')?.text ?? fromEnv.raw.get('config')?.text ?? '';
  const fromFile =
    path === ''
      ? { raw: new Map() as RawValues, peerNames: [] }
      : await configFileValues(path, table, startOptions);

  const raw: RawValues = new Map([
    ...fromFile.raw,
    ...fromEnv.raw,
    ...flags.raw,
  ]);
  const values: Record<string, OptionValue> = defaultValues(table);
  for (const [name, typed] of raw) {
    values[name] = optionValue(table[name]!, typed, env);
  }
  refusePeerOptions([
    ...flags.peerFlags.map((name) => [name, `--${name}`] as const),
    ...fromEnv.peerNames.map((name) => [name, environmentName(name)] as const),
    ...fromFile.peerNames.map((name) => [name, `${name} in ${path}`] as const),
  ]);
  return {
    values: values as OptionValues<T>,
    positionals: flags.positionals,
    help: false,
    exposed: [...flags.raw]
      .filter(([name, { text }]) => table[name]!.secret && isExposed(text))
      .map(([name]) => name),
    warnings: fromEnv.warnings,
  };
}

/** What a table holds when nothing is given; tests and the demo start here. */
export function defaultValues<const T extends OptionTable>(
  table: T,
): OptionValues<T> {
  return Object.fromEntries(
    Object.entries(table).map(([name, entry]) => [name, entry.default]),
  ) as OptionValues<T>;
}

/** Anything but a reference, or an address without a password. */
function isExposed(text: string): boolean {
  return (
    text !== '' &&
    !/^(env|file):/.test(text) &&
    (!/^[a-z][a-z\d+.-]*:\/\//i.test(text) ||
      /^[^:]*:\/\/[^/?#@:]*:[^@]+@|[?&](?:password|client_key|access_token)=/i.test(
        text,
      ))
  );
}

function refusePeerOptions(
  given: readonly (readonly [name: string, where: string])[],
): void {
  const first = given[0];
  if (first) {
    throw new ReplicatorError('E5008', {
      detail: `${first[1]} is not available in this version`,
      remedy: `leave it out: ${peerOptions[first[0]]}`,
    });
  }
}
