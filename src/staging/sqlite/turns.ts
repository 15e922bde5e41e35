/**
 * When what runs on the one connection, and in which transaction.
 *
 *     together  a, b ─ insert, commit ─┐                 ┌─ a, b resolve
 *                                      ├─ log on disk ───┤
 *     now       c ···· (waits) ········┘                 └─ c reads, resolves
 *
 * A commit is on disk when the log file is, which is waited for beside this
 * thread. Until then nobody reads: what was acted on must not be gone after a
 * power cut, a resolved timestamp least of all.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import { groupCommit } from '../group-commit.ts';
import type { OpenDatabase } from './database.ts';
import { concernsWholeStore, sqliteFailure } from './errors.ts';
import type { Totals } from './totals.ts';

/** Memory a group may take; far above what waits in one turn of the loop. */
const groupBytes = 16 << 20;

export interface Turns {
  /**
   * Anything that is one step and needs no company. It gives way first: a
   * caller who reads page after page would keep sockets and timers from their
   * turn.
   */
  readonly now: <T>(
    signal: AbortSignal | undefined,
    run: () => T,
  ) => Promise<T>;
  /** Joins the transaction of whatever else is waiting (group commit). */
  readonly together: <T>(
    signal: AbortSignal | undefined,
    sizeBytes: number,
    run: () => T,
    /** Called with the result when it is committed and not yet on disk. */
    onWritten?: (result: T) => void,
  ) => Promise<T>;
  /** Inside `now`: all of `run` or nothing. */
  readonly transaction: <T>(run: () => T) => T;
  /** Refuses what comes from now on, resolves when what came before is done. */
  close(): Promise<void>;
}

interface WriteCall {
  readonly sizeBytes: number;
  /** Runs inside the group's transaction. */
  readonly run: () => unknown;
  readonly onWritten: ((result: never) => void) | undefined;
}

export function openTurns(
  { database, path, logFile }: OpenDatabase,
  totals: Totals,
): Turns {
  const begin = database.prepare('begin immediate');
  const commit = database.prepare('commit');
  const rollback = database.prepare('rollback');
  let closed = false;

  const group = groupCommit<WriteCall, unknown>({
    commit: (calls) =>
      alone(() => {
        const results = transaction(() => calls.map((call) => call.run()));
        for (const [index, { onWritten }] of calls.entries()) {
          onWritten?.(results[index] as never);
        }
        return results;
      }),
    isShared: concernsWholeStore,
    sizeBytes: (call) => call.sizeBytes,
    groupBytes,
    // The database is called on this thread: a second group could not start.
    inFlightGroups: 1,
  });

  /** Begins, and resolves, when all that was written is on disk. */
  async function alone<T>(run: () => T): Promise<T> {
    // Whoever waits beside this one may have written when it ends.
    while (logFile.isBehind) {
      await logFile.onDisk();
    }
    const result = run();
    await logFile.onDisk();
    return result;
  }

  function transaction<T>(run: () => T): T {
    begin.run();
    try {
      const result = run();
      commit.run();
      logFile.written();
      totals.keep();
      return result;
    } catch (error) {
      totals.drop();
      // SQLite has rolled back by itself after some failures, not after all.
      if (database.isTransaction) {
        rollback.run();
      }
      throw error;
    }
  }

  function assertOpen(): void {
    if (closed) {
      throw new ReplicatorError('E2001', { detail: 'staging is closed' });
    }
  }

  async function now<T>(
    signal: AbortSignal | undefined,
    run: () => T,
  ): Promise<T> {
    signal?.throwIfAborted();
    await nextTurn();
    assertOpen();
    try {
      return await alone(() => {
        assertOpen();
        return run();
      });
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  async function together<T>(
    signal: AbortSignal | undefined,
    sizeBytes: number,
    run: () => T,
    onWritten?: (result: T) => void,
  ): Promise<T> {
    assertOpen();
    try {
      const call = { sizeBytes, run, onWritten };
      return (await group.submit(call, signal)) as T;
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  return {
    now,
    together,
    transaction,
    async close() {
      closed = true;
      await group.idle();
      await logFile.close();
    },
  };
}
