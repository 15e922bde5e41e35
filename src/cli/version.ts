import { existsSync, readFileSync } from 'node:fs';
import type { OptionTable } from '../config/options.ts';
import { valuesOf } from '../config/options.ts';
import { ReplicatorError } from '../failure/failure.ts';
import type { Command } from './command.ts';

const projectRoot = new URL('../../', import.meta.url);

const versionOptions = {
  deps: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'List every package that is used at run time, with its version, licence and checksum.',
  },
} as const satisfies OptionTable;

export const versionCommand: Command = {
  name: 'version',
  description:
    'Prints the version of replicator, of Node and of the platform it runs on.',
  options: versionOptions,
  async run({ values }, io) {
    io.stdout.write(
      `replicator ${replicatorVersion()}\nnode ${process.versions.node}\nplatform ${process.platform}-${process.arch}\n`,
    );
    if (valuesOf(versionOptions, values).deps) {
      const rows = runtimePackages().map(
        ({ name, version, license, integrity }) =>
          `${name} ${version} ${license} ${integrity}`,
      );
      io.stdout.write(`\n${rows.join('\n')}\n`);
    }
    return 0;
  },
};

export function replicatorVersion(): string {
  return readJson('package.json').version ?? 'unknown';
}

interface RuntimePackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly integrity: string;
}

/** From the lock file: what `npm ci --omit=dev` installs on this platform. */
function runtimePackages(): RuntimePackage[] {
  return Object.entries(readJson('package-lock.json').packages ?? {})
    .filter(
      ([path, entry]) =>
        path !== '' &&
        !entry.dev &&
        existsSync(new URL(`${path}/package.json`, projectRoot)),
    )
    .map(([path, entry]) => ({
      name: path.slice(path.lastIndexOf('node_modules/') + 13),
      version: entry.version ?? 'unknown',
      license:
        entry.license ?? readJson(`${path}/package.json`).license ?? 'unknown',
      integrity: entry.integrity ?? '',
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

interface PackageJson {
  readonly version?: string;
  readonly license?: string;
  readonly packages?: Readonly<
    Record<
      string,
      PackageJson & { readonly dev?: boolean; readonly integrity?: string }
    >
  >;
}

function readJson(path: string): PackageJson {
  try {
    return JSON.parse(
      readFileSync(new URL(path, projectRoot), 'utf8'),
    ) as PackageJson;
  } catch (error) {
    throw new ReplicatorError('E5005', {
      detail: `${path} of this installation cannot be read`,
      remedy: 'install replicator again',
      cause: error,
    });
  }
}
