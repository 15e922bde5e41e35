/** The write-ahead log of staging.db, and whether all of it is on disk. */
import { close, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { ReplicatorError } from '../../failure/failure.ts';

/**
 * SQLite writes a commit into the log file and leaves it to us to bring that
 * to disk (`synchronous = normal`), which so does not halt this thread: half of
 * the time that a commit took was that wait. What SQLite itself syncs then is
 * the file's header, before the first commit, and its pages before they are
 * carried over into the database.
 *
 *     on disk ── written ──► behind ── fdatasync ──► on disk
 *                                   └─ failed ─────► broken, for ever
 *
 * After a failure nobody can say what of the file is on disk: another try may
 * succeed for pages that were given up. So nothing is read or written any more
 * until the store is opened anew, when SQLite finds out by its checksums.
 */
export interface LogFile {
  /** A commit has been written that is not on disk. */
  readonly isBehind: boolean;
  /** A transaction was committed. */
  written(): void;
  /** Resolves when all that was written is on disk; rejects with E2007. */
  onDisk(): Promise<void>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

const sync = promisify(fdatasync);
const closeFile = promisify(close);

/** `path` is that of the database, which is in WAL mode. */
export function openLogFile(
  path: string,
  syncFile: (file: number) => Promise<void> = sync,
): LogFile {
  const name = `${path}-wal`;
  let file: number | null = null;
  let isBehind = false;
  let underWay: Promise<void> | null = null;

  async function bringToDisk(): Promise<void> {
    try {
      // SQLite makes the file with the first commit, and keeps it while open.
      file ??= openSync(name, 'r');
      await syncFile(file);
    } catch (error) {
      throw new ReplicatorError('E2007', {
        detail: `${name} cannot be brought to disk: ${(error as Error).message}`,
        remedy:
          'check the health of the disk that holds --dataDir, then restart the daemon: until then it takes nothing and applies nothing',
        cause: error,
      });
    }
    isBehind = false;
    underWay = null;
  }

  return {
    get isBehind() {
      return isBehind;
    },
    written() {
      isBehind = true;
    },
    async onDisk() {
      if (isBehind) {
        await (underWay ??= bringToDisk());
      }
    },
    async close() {
      await underWay?.catch(() => {});
      if (file !== null) {
        await closeFile(file);
        file = null;
      }
    },
  };
}

/** Of a database without such a log: its commits are on disk. */
export const noLogFile: LogFile = {
  isBehind: false,
  written: () => {},
  onDisk: async () => {},
  close: async () => {},
};
