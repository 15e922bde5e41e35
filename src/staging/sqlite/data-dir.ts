/**
 * The data directory: made on demand for its owner alone, and held by one
 * daemon at a time.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ReplicatorError } from '../../failure/failure.ts';
import { sqliteFailure, sqliteResult, sqliteResultCode } from './errors.ts';

/**
 * Makes the directory (mode 0700) unless it is there. Only its last part: a
 * missing parent is a typing error more often than a wish. The mode of an
 * existing directory is its owner's business.
 */
export function prepareDataDir(dataDir: string): void {
  const path = resolve(dataDir);
  try {
    mkdirSync(path, { mode: 0o700 });
    // The entry in the parent must outlive a power cut, as what is in it does.
    const parent = openSync(dirname(path), 'r');
    fsyncSync(parent);
    closeSync(parent);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new ReplicatorError('E5009', {
        detail: `the data directory ${path} cannot be made: ${dirname(path)} does not exist`,
        remedy: 'make the directory above it first, or correct --dataDir',
        cause: error,
      });
    }
    if (errorCode(error) !== 'EEXIST') {
      throw unusable(path, error);
    }
  }
  if (!statSync(path).isDirectory()) {
    throw new ReplicatorError('E5009', {
      detail: `the data directory ${path} is not a directory`,
    });
  }
}

/**
 * Makes an empty file of mode 0600 unless it is there; SQLite gives its
 * -wal and -shm files the same mode. An existing file must not be opened
 * here: closing it would drop the POSIX locks that this process holds on it.
 */
export function prepareFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') {
      throw unusable(path, error);
    }
  }
}

/**
 * Takes the directory for this process, or throws E2005. The lock is SQLite's
 * own on a file of its own, so that it ends with the process however that
 * ends, works on every platform, and does not bar readers of staging.db.
 */
export function lockDataDir(dataDir: string): Disposable {
  const path = join(dataDir, 'staging.lock');
  prepareFile(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('begin exclusive');
  } catch (error) {
    database?.close();
    if (sqliteResultCode(error) === sqliteResult.busy) {
      throw new ReplicatorError('E2005', {
        detail: `another replicator uses the data directory ${resolve(dataDir)}`,
        cause: error,
      });
    }
    if (sqliteResultCode(error) !== null) {
      throw unusable(path, error);
    }
    throw sqliteFailure(error, path);
  }
  const held = database;
  return {
    [Symbol.dispose]() {
      held.close();
    },
  };
}

function unusable(path: string, cause: unknown): ReplicatorError {
  const reason = errorCode(cause) ?? (cause as Error).message;
  return new ReplicatorError('E5009', {
    detail: `the data directory cannot be used: ${path}: ${reason}`,
    cause,
  });
}

function errorCode(error: unknown): string | null {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && code !== 'ERR_SQLITE_ERROR' ? code : null;
}
