/** When what runs on the one connection, and in which transaction. */
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import { groupCommit } from '../group-commit.ts';
import { concernsWholeStore, sqliteFailure } from './errors.ts';
import type { Totals } from './totals.ts';

/** Memory a group may take; far above what waits in one turn of the loop. */
const groupBytes = 16 << 20;

export interface Turns {
  /**
   * Anything that is one step and needs no company. It gives way first:
   * nothing here really waits, and a caller who reads page after page would
   * keep sockets and timers from their turn.
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
}

export function openTurns(
  database: DatabaseSync,
  path: string,
  totals: Totals,
): Turns {
  const begin = database.prepare('begin immediate');
  const commit = database.prepare('commit');
  const rollback = database.prepare('rollback');
  let closed = false;

  const group = groupCommit<WriteCall, unknown>({
    commit: (calls) => transaction(() => calls.map((call) => call.run())),
    isShared: concernsWholeStore,
    sizeBytes: (call) => call.sizeBytes,
    groupBytes,
    // The database is called on this thread: a second group could not start.
    inFlightGroups: 1,
  });

  function transaction<T>(run: () => T): T {
    begin.run();
    try {
      const result = run();
      commit.run();
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
      return run();
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  async function together<T>(
    signal: AbortSignal | undefined,
    sizeBytes: number,
    run: () => T,
  ): Promise<T> {
    assertOpen();
    try {
      return (await group.submit({ sizeBytes, run }, signal)) as T;
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
    },
  };
}
