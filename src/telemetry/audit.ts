/**
 * The audit log: what changed state, and who asked. One JSON object a line,
 * only ever appended to.
 *
 * What always holds: what a person asks for does not happen without its
 * record. `asked` is on the disk before the work begins, `done` or `failed`
 * after it. One that has neither was cut off, and nobody knows how far it came.
 */
import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { redactDeep } from '../config/redact.ts';
import { ReplicatorError } from '../failure/failure.ts';
import { type AuditSink, auditFile } from './audit-file.ts';

/** Who asked: a person at a command line, a caller of the daemon, or itself. */
export type Asker =
  | { readonly kind: 'command' | 'daemon' | 'signal' }
  /** `certificate CN=…`, `token "<id>"`, as the log names it. */
  | { readonly kind: 'caller'; readonly name: string };

/** What it was about: names, times and counts; no secrets, no row data. */
export type AuditFacts = Readonly<Record<string, unknown>>;

/** Something that has been asked for and is not over. */
export interface AuditedAct extends Disposable {
  /** Throws E5020: it happened, but no record says so. */
  done(facts?: AuditFacts): void;
  /** Never throws: the failure itself is on its way already. */
  failed(error: unknown): void;
}

export interface Audit extends Disposable {
  /**
   * Writes `asked`, runs the work, writes `done` or `failed`. Rejects with
   * E5020, and runs nothing, where the record cannot be written.
   */
  act<T>(action: string, facts: AuditFacts, work: () => Promise<T>): Promise<T>;
  /** The same in two halves; disposed without an outcome it has `failed`. */
  begin(action: string, facts?: AuditFacts, asker?: Asker): AuditedAct;
  /**
   * What happened of itself (a halt, a change of mode), where nothing could be
   * kept from happening. Never throws: `onLost` hears what could not be written.
   */
  note(action: string, facts?: AuditFacts, asker?: Asker): void;
  /** Opens the file anew, after it was rotated (SIGHUP). */
  reopen(): void;
}

export interface AuditPlace {
  /** A file, or `stderr`; empty is `audit.log` in `dataDir`. */
  readonly auditLog: string;
  readonly dataDir: string;
}

export interface AuditOptions {
  /** Who asks where nothing else is said. */
  readonly asker: Asker;
  /** Hears of a {@link Audit.note} that could not be written, with its text. */
  readonly onLost?: (error: ReplicatorError, record: string) => void;
}

/** The log of this process. Nothing is opened before the first record. */
export function openAudit(place: AuditPlace, options: AuditOptions): Audit {
  return createAudit(auditFile(auditPath(place)), options);
}

/** The file of the audit log, or `stderr`. */
function auditPath({ auditLog, dataDir }: AuditPlace): string {
  return auditLog === '' ? join(dataDir, 'audit.log') : auditLog;
}

export function createAudit(sink: AuditSink, options: AuditOptions): Audit {
  const write = (record: AuditRecord): void => {
    sink.write(lineOf(record));
  };
  const writeOrTell = (record: AuditRecord): void => {
    try {
      write(record);
    } catch (error) {
      options.onLost?.(error as ReplicatorError, lineOf(record));
    }
  };
  const begin: Audit['begin'] = (action, facts = {}, asker = options.asker) => {
    const id = randomBytes(6).toString('hex');
    let isOver = false;
    write({ id, stage: 'asked', action, asker, facts });
    const end = (stage: 'done' | 'failed', more: AuditFacts): AuditRecord => {
      isOver = true;
      return { id, stage, action, asker, facts: { ...facts, ...more } };
    };
    const failed = (error: unknown): void =>
      writeOrTell(end('failed', reasonOf(error)));
    return {
      done(more = {}) {
        write(end('done', more));
      },
      failed,
      [Symbol.dispose]() {
        if (!isOver) {
          failed(undefined);
        }
      },
    };
  };
  return {
    begin,
    async act(action, facts, work) {
      const act = begin(action, facts);
      let result;
      try {
        result = await work();
      } catch (error) {
        act.failed(error);
        throw error;
      }
      act.done();
      return result;
    },
    note(action, facts = {}, asker = options.asker) {
      const id = randomBytes(6).toString('hex');
      writeOrTell({ id, stage: 'noted', action, asker, facts });
    },
    reopen: () => sink.reopen(),
    [Symbol.dispose]: () => sink[Symbol.dispose](),
  };
}

interface AuditRecord {
  /** The same in the records of one act. */
  readonly id: string;
  readonly stage: 'asked' | 'done' | 'failed' | 'noted';
  readonly action: string;
  readonly asker: Asker;
  readonly facts: AuditFacts;
}

function lineOf({ id, stage, action, asker, facts }: AuditRecord): string {
  const record = {
    time: new Date().toISOString(),
    id,
    stage,
    action,
    by: { ...asker, ...osFacts },
    ...(Object.keys(facts).length > 0 && { what: facts }),
  };
  return `${JSON.stringify(redactDeep(record))}\n`;
}

/** A failure by its code: messages of databases stay in the log. */
function reasonOf(error: unknown): AuditFacts {
  return error === undefined
    ? {}
    : {
        failure:
          error instanceof ReplicatorError
            ? `${error.code} ${error.message}`
            : error instanceof Error
              ? error.name
              : 'unknown',
      };
}

/** The account that the operating system knows, whatever the caller says. */
const osFacts: AuditFacts = {
  user: osUser(),
  // Only a claim, but sudo's.
  ...(process.env['SUDO_USER'] && { sudoUser: process.env['SUDO_USER'] }),
  host: hostname(),
  process: process.pid,
};

function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user often has no name.
    return String(process.getuid?.() ?? 'unknown');
  }
}
