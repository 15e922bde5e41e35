/** The file of the audit log: appended to, never anything else. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../config/option-value.ts';
import { ReplicatorError } from '../failure/failure.ts';

/** Where whole lines go. */
export interface AuditSink extends Disposable {
  /** Returns when the line is durable; throws E5020. */
  write(line: string): void;
  reopen(): void;
}

/**
 * Opened at the first line. Several processes may append to one file: each record is one
 * write, which the operating system puts whole behind all others.
 */
export function auditFile(path: string): AuditSink {
  if (path === 'stderr') {
    return {
      write: (line) => writeWhole(path, process.stderr.fd, line),
      reopen: () => {},
      [Symbol.dispose]: () => {},
    };
  }
  let file: number | null = null;
  const close = (): void => {
    if (file !== null) {
      closeSync(file);
      file = null;
    }
  };
  return {
    write(line) {
      file ??= openForAppending(path);
      // After a write that broke off the next record has a line of its own. A
      // write of another process that is under way looks the same: then a line
      // stays blank.
      const text = endsALine(file, path) ? line : `\n${line}`;
      writeWhole(path, file, text);
      if (fstatSync(file).isFile()) {
        attempt(path, () => fsyncSync(file!));
      }
    },
    reopen: close,
    [Symbol.dispose]: close,
  };
}

/**
 * Readable by its owner alone: it names people. Of its folder only the last
 * part is made, as with --dataDir.
 */
function openForAppending(path: string): number {
  return attempt(path, () => {
    const folder = dirname(resolve(path));
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch {
      // It is there; if not, opening says so.
    }
    const file = openSync(path, 'a+', 0o600);
    // The entry in the folder must outlive a power cut too.
    const parent = openSync(folder, 'r');
    fsyncSync(parent);
    closeSync(parent);
    return file;
  });
}

function endsALine(file: number, path: string): boolean {
  return attempt(path, () => {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size === 0) {
      return true;
    }
    const last = Buffer.alloc(1);
    return readSync(file, last, 0, 1, stat.size - 1) === 0 || last[0] === 10;
  });
}

function writeWhole(path: string, file: number, text: string): void {
  const bytes = Buffer.from(text);
  const written = attempt(path, () => writeSync(file, bytes));
  if (written < bytes.length) {
    throw cannotWrite(path, 'ENOSPC');
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw cannotWrite(path, errnoOf(error));
  }
}

function cannotWrite(path: string, errno: string): ReplicatorError {
  return new ReplicatorError('E5020', {
    detail: `the audit log ${path} cannot be written (${errno}), and nothing is changed without its record`,
  });
}
