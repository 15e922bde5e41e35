import { chmod, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { ReplicatorError } from '../../failure/failure.ts';
import type { CommandIo } from '../command.ts';
import { confirmed } from '../confirm.ts';

export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** Only its owner may read it. */
  readonly isSecret: boolean;
}

/**
 * Writes all of them, or asks first where some are there already: with `yes`
 * they are replaced, without a terminal it throws E5007. False when the
 * answer was no. Each appears whole, and a secret one was never readable by
 * others, not even for a moment. Throws E5019.
 */
export async function writeNewFiles(
  files: readonly NewFile[],
  {
    yes,
    harm,
    io,
  }: { readonly yes: boolean; readonly harm: string; readonly io: CommandIo },
): Promise<boolean> {
  const there: string[] = [];
  for (const { path } of files) {
    if (await exists(path)) {
      there.push(path);
    }
  }
  if (there.length > 0 && !yes) {
    io.stderr.write(`Already there: ${there.join(', ')}. ${harm}\n`);
    if (!(await confirmed(io, 'Replace?'))) {
      io.stderr.write('Nothing was written.\n');
      return false;
    }
  }
  for (const file of files) {
    await writeWhole(file);
  }
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return false;
    }
    throw unwritable(path, error);
  }
}

async function writeWhole({ path, text, isSecret }: NewFile): Promise<void> {
  const mode = isSecret ? 0o600 : 0o644;
  const beside = `${path}.${process.pid}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // `wx`: nobody else's file, and no link that somebody has laid out.
    await writeFile(beside, text, { mode, flag: 'wx' });
    await chmod(beside, mode);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw unwritable(path, error);
  }
}

function unwritable(path: string, cause: unknown): ReplicatorError {
  return new ReplicatorError('E5019', {
    detail: `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`,
    cause,
  });
}

/** As a POSIX shell reads it back. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text)
    ? text
    : `'${text.replaceAll("'", "'\\''")}'`;
}
