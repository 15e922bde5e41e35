/**
 * Secrets in every option of every command, and whatever comes out. Commands
 * and options are those of the tables: a new one is planted by itself.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Command } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { forgetSecrets } from '../../src/config/known-secrets.ts';
import { environmentName } from '../../src/config/environment.ts';
import {
  globalOptions,
  type OptionEntry,
  type OptionTable,
} from '../../src/config/options.ts';
import { runCommandLine } from '../support/captured-io.ts';
import {
  filesBelow,
  plantedSecret,
  type PlantedSecret,
  tracesOf,
} from '../support/planted-secret.ts';

const timeoutMs = 300_000;

/** Files that the tests themselves write. */
const inputs = /\.(secret|yaml)$/;

/** Enough for most commands to come as far as dialling. */
const sensible: Readonly<Record<string, string>> = {
  publicationName: 'pub',
  targetSchema: 'shop.public',
  schema: 'shop.public',
  table: 'customer',
  tables: 'customer',
  host: 'replicator.example',
  bindAddr: '127.0.0.1:0',
  disableAuthentication: 'true',
  seconds: '1',
  yes: 'true',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replicator-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = Object.keys(commands);
const loaded = new Map(
  await Promise.all(
    names.map(async (name) => [name, await commands[name]!.load()] as const),
  ),
);
const tableOf = (name: string): OptionTable => ({
  ...loaded.get(name)!.options,
  ...globalOptions,
});

/** An address where nobody listens, with a secret wherever one may stand. */
function secretValue(name: string, { raw, encoded }: PlantedSecret): string {
  if (/conn$/i.test(name)) {
    return `postgresql://someone:${encoded}@127.0.0.1:1/shop?connect_timeout=1&sslmode=disable`;
  }
  if (/url$/i.test(name)) {
    const key = encodeURIComponent(Buffer.from(raw).toString('base64'));
    return `https://someone:${encoded}@127.0.0.1:1/shop/public?client_key=${key}&access_token=${encoded}`;
  }
  return raw;
}

/** What a person may paste into an option that wants something else. */
function strayValue({ raw, encoded }: PlantedSecret): string {
  const key = encodeURIComponent(Buffer.from(raw).toString('base64'));
  return `${folder}/webhook-https://someone:${encoded}@127.0.0.1:1/shop?client_key=${key}&access_token=${encoded}`;
}

interface Planting {
  readonly argv: readonly string[];
  readonly secrets: readonly PlantedSecret[];
}

/** Every secret option of a command, each with a secret of its own. */
function plantAll(
  name: string,
  skipped: string | null = null,
  give: (option: string, value: string) => string[] = (option, value) => [
    `--${option}=${value}`,
  ],
): Planting {
  const secrets: PlantedSecret[] = [];
  const argv: string[] = [];
  for (const [option, entry] of Object.entries(tableOf(name))) {
    if (option === skipped) {
      continue;
    }
    if (entry.secret) {
      const secret = plantedSecret();
      secrets.push(secret);
      const value = secretValue(option, secret);
      argv.push(...give(option, value));
    } else if (Object.hasOwn(sensible, option)) {
      argv.push(`--${option}=${sensible[option]}`);
    }
  }
  for (const option of ['dataDir', 'out', 'logDestination']) {
    if (Object.hasOwn(tableOf(name), option) && option !== skipped) {
      argv.push(`--${option}=${join(folder, option)}`);
    }
  }
  return { argv: [...name.split(' '), ...argv], secrets };
}

/** Everything that a run leaves behind. */
async function leftBy(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  forgetSecrets();
  const { stdout, stderr } = await runCommandLine(argv, {
    env: { REPLICATOR_AUDIT_LOG: join(folder, 'audit.log'), ...env },
    signal: AbortSignal.timeout(3_000),
  });
  return `${stdout}\n${stderr}\n${filesBelow(folder, inputs)}`;
}

async function expectSilence(
  { argv, secrets }: Planting,
  env?: NodeJS.ProcessEnv,
): Promise<void> {
  expect(tracesOf(await leftBy(argv, env), secrets)).toEqual([]);
}

const printsSecrets = (command: Command): boolean =>
  command.printsSecrets === true;

test('the search finds a secret in every spelling', () => {
  const secret = plantedSecret();
  const { raw, encoded } = secret;
  for (const text of [
    raw,
    encoded,
    JSON.stringify({ raw }),
    raw.replaceAll("'", "''"),
    Buffer.from(`user:${raw}`).toString('base64'),
    Buffer.from(`x${raw}`).toString('base64'),
    Buffer.from(raw).toString('hex'),
    secret.cores[2]!,
  ]) {
    expect(tracesOf(`… ${text} …`, [secret])).not.toEqual([]);
  }
  expect(tracesOf('nothing of the kind', [secret])).toEqual([]);
});

test('only what makes a token, or a statement with its key, may print secrets', () => {
  const found = names.filter((name) => printsSecrets(loaded.get(name)!));
  expect(found.toSorted()).toEqual(['feed sql', 'make-jwt']);
});

describe.each(names.filter((name) => !printsSecrets(loaded.get(name)!)))(
  '%s',
  (name) => {
    test(
      'keeps its secrets where nothing can be reached',
      { timeout: timeoutMs },
      async () => {
        await expectSilence(plantAll(name));
      },
    );

    test(
      'keeps its secrets where they come from files, variables and a config file',
      { timeout: timeoutMs },
      async () => {
        const env: Record<string, string> = {};
        const lines: string[] = [];
        let at = 0;
        const planting = plantAll(name, null, (option, value) => {
          at += 1;
          const file = join(folder, `${at}.secret`);
          writeFileSync(file, `${value}\n`);
          env[`PLANTED_${at}`] = value;
          switch (at % 4) {
            case 0:
              return [`--${option}`, `file:${file}`];
            case 1:
              env[environmentName(option)] = value;
              return [];
            case 2:
              return [`--${option}`, `env:PLANTED_${at}`];
            default:
              lines.push(`${option}: ${JSON.stringify(value)}`);
              return [];
          }
        });
        const config = join(folder, `${name}.yaml`);
        writeFileSync(config, lines.join('\n'));
        await expectSilence(
          { ...planting, argv: [...planting.argv, `--config=${config}`] },
          env,
        );
      },
    );

    test(
      'keeps secrets that were given to the wrong option',
      { timeout: timeoutMs },
      async () => {
        for (const [option, entry] of Object.entries(tableOf(name))) {
          const secret = plantedSecret();
          const { argv, secrets } = plantAll(name, option);
          await expectSilence({
            argv: [...argv, `--${option}=${wrongValue(entry, secret)}`],
            secrets: [...secrets, secret],
          });
        }
      },
    );

    test.each([
      [
        'an option that there is none',
        (text: string) => [`--targtConn=${text}`],
      ],
      ['a flag of the peer', (text: string) => ['--userscript', text]],
      ['an argument too many', (text: string) => [text]],
      ['half an address', (text: string) => text.split(' ').slice(-1)],
      ['a switch', (text: string) => [`--${text}`]],
    ])(
      'keeps a secret that stands in %s',
      { timeout: timeoutMs },
      async (_, argumentsOf) => {
        const secret = plantedSecret();
        const address = `postgresql://someone:${secret.raw.replaceAll('?', '')}@127.0.0.1:1/shop`;
        const { argv, secrets } = plantAll(name);
        await expectSilence({
          argv: [...argv, ...argumentsOf(address)],
          secrets: [...secrets, secret],
        });
      },
    );
  },
);

/** A secret option gets an address that cannot be read, others a stray one. */
function wrongValue(entry: OptionEntry, secret: PlantedSecret): string {
  return entry.secret
    ? `nosuch://someone:${secret.encoded}@[::bad/x?password=${secret.encoded}`
    : strayValue(secret);
}
