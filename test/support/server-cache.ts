/** Where servers for the tests are kept from one run to the next. */
import { accessSync, constants, statSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isOpenToServerUser,
  serverTemporaryFolder,
} from './postgres-binaries.ts';

/**
 * The project's `.cache`, which outlives `npm ci`; or, where the server's user
 * may not go there or we may not write, a folder of ours under the temporary
 * one.
 */
export async function cacheFolder(): Promise<string> {
  const project = join(import.meta.dirname, '..', '..');
  const own = join(project, '.cache', 'test-servers');
  if (isOpenToServerUser(project) && isWritable(project)) {
    await mkdir(own, { recursive: true });
    if (isOpenToServerUser(own) && isWritable(own)) return own;
  }
  const owner = process.getuid?.() ?? 0;
  const other = join(serverTemporaryFolder, `replicator-servers-${owner}`);
  await mkdir(other, { recursive: true });
  if (statSync(other).uid !== owner) {
    throw new Error(`${other} belongs to someone else: remove it`);
  }
  await chmod(other, 0o755);
  return other;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
