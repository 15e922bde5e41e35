/** The file staging.db: found or made, locked, and brought up to date. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ReplicatorError } from '../../failure/failure.ts';
import { lockDataDir, prepareDataDir, prepareFile } from './data-dir.ts';
import { sqliteFailure } from './errors.ts';
import { type LogFile, noLogFile, openLogFile } from './log-file.ts';
import {
  migrate,
  refuseNewer,
  schemaVersion,
  sqliteMigrations,
} from './schema.ts';

export interface SqliteStoreOptions {
  readonly dataDir: string;
  /**
   * True for a daemon: makes and migrates the file and keeps every other
   * daemon out (E2005). False for commands that look in beside it: the file
   * must be there and of this version.
   */
  readonly exclusive: boolean;
}

export interface OpenDatabase {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly logFile: LogFile;
  /** Closes the database, then gives the directory back. */
  readonly resources: DisposableStack;
}

/** How long a writer, and with it this thread, waits for another process. */
const lockTimeoutMs = 2_000;
/**
 * Pages of the log file (4 KiB each) before they are carried over into the
 * database, which halts this thread: measured 6 ms at 1000 pages, 20 ms at
 * 4096, 65 ms at 16384, with the same number of commits a second.
 */
const walPages = 1000;

export function openDatabase(options: SqliteStoreOptions): OpenDatabase {
  const directory = resolve(options.dataDir);
  const path = join(directory, 'staging.db');
  using cleanup = new DisposableStack();
  if (options.exclusive) {
    prepareDataDir(directory);
    cleanup.use(lockDataDir(directory));
    prepareFile(path);
  } else if (!existsSync(path)) {
    throw new ReplicatorError('E2004', {
      detail: `there is no staging store at ${path}`,
      remedy: 'check --dataDir; replicator start makes the store',
    });
  }
  try {
    const database = new DatabaseSync(path, { timeout: lockTimeoutMs });
    cleanup.defer(() => database.close());
    refuseNewer(schemaVersion(database), sqliteMigrations.length);
    if (options.exclusive) {
      database.exec('pragma journal_mode = wal');
    }
    const hasLogFile = journalMode(database) === 'wal';
    const logFile = hasLogFile ? openLogFile(path) : noLogFile;
    database.exec(
      `pragma synchronous = ${hasLogFile ? 'normal' : 'full'}; pragma wal_autocheckpoint = ${walPages}; pragma journal_size_limit = ${walPages * 4096 * 2}`,
    );
    if (options.exclusive) {
      migrate(database);
    } else if (schemaVersion(database) !== sqliteMigrations.length) {
      throw new ReplicatorError('E2004', {
        detail: `${path} is of an older version`,
        remedy: 'run replicator start once: it brings the store up to date',
      });
    }
    // Who was killed may have left what is not on disk.
    logFile.written();
    return { database, path, logFile, resources: cleanup.move() };
  } catch (error) {
    throw sqliteFailure(error, path);
  }
}

/** Not every file system can hold a log file: then it stays as it was. */
function journalMode(database: DatabaseSync): unknown {
  return database.prepare('pragma journal_mode').get()?.['journal_mode'];
}
