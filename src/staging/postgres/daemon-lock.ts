/**
 * That daemons which share a staging schema and those which need it for
 * themselves do not meet on it: a session advisory lock, shared or exclusive,
 * which the server frees by itself when the session ends, however it ends.
 *
 * CockroachDB accepts the call, answers true and locks nothing: there nothing
 * keeps the others out. A pooler in front of the server must be in
 * session mode, for the lock belongs to the server's session.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { PostgresAddress } from '../../config/address/postgres.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { cutClient } from '../../config/address/postgres-dial.ts';
import { dialSession, keepAlive } from './connections.ts';

/**
 * What an acknowledgement means to a daemon: that rows are staged, or that they
 * are applied. Whoever means the one would take rows for applied that the
 * other has but staged: the two do not share a staging schema.
 */
export type Acknowledging = 'staged' | 'applied';

/** Daemons that acknowledge alike share the schema; one may have it alone. */
export type LockKind = Acknowledging | 'exclusive';

interface Lock {
  readonly kind: LockKind;
  readonly schema: string;
  readonly acknowledging: Readonly<Record<Acknowledging, string>>;
}

/** `taken`: by one that has it alone, or that would have it so. */
type Held = pg.Client | 'taken' | 'other-mode';

/** How long the server may take to notice that the last holder is dead. */
const takeOverMs = 5_000;
const takeOverStepMs = 250;
/** Shorter than any idle timeout of a server, a pooler or a firewall. */
const heartbeatMs = 15_000;
const longestRetryMs = 10_000;
const partingMs = 1_000;

/**
 * Takes the schema for this process, or rejects with E2005. A session that is
 * lost later is dialled and locked again in the background, as long as it
 * takes; meanwhile the store works on: the session may have been lost to a
 * restart of the server, and the target's watermark fences off a daemon that
 * has been superseded.
 */
export async function lockStagingSchema(
  [address, database, schema]: readonly [PostgresAddress, string, string],
  kind: LockKind,
  signal?: AbortSignal,
): Promise<AsyncDisposable> {
  const lock: Lock = {
    kind,
    schema: lockKey(database, schema),
    acknowledging: {
      staged: lockKey(database, schema, 'staged'),
      applied: lockKey(database, schema, 'applied'),
    },
  };
  const deadline = performance.now() + takeOverMs;
  let held = await lockedSession(address, lock, signal);
  while (typeof held === 'string') {
    if (performance.now() >= deadline && held === 'other-mode') {
      throw new ReplicatorError('E2012', {
        detail: `daemons in the other mode use the staging schema ${JSON.stringify(schema)} in the database ${JSON.stringify(database)}`,
      });
    }
    if (performance.now() >= deadline) {
      throw new ReplicatorError('E2005', {
        detail: `another replicator uses the staging schema ${JSON.stringify(schema)} in the database ${JSON.stringify(database)}${kind === 'exclusive' ? '' : ' and does not share it'}`,
        remedy:
          kind === 'exclusive'
            ? 'stop the other one, or give this one its own --stagingSchema'
            : 'replicator pglogical, and versions that knew no other way, need it for themselves: stop the other one, or give this one its own --stagingSchema',
      });
    }
    await sleep(takeOverStepMs, undefined, { signal }).catch(() => {});
    signal?.throwIfAborted();
    held = await lockedSession(address, lock, signal);
  }
  const closing = new AbortController();
  const kept = keepLocked(held, address, lock, closing.signal);
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await kept;
    },
  };
}

/** Never rejects; resolves when the signal has aborted and the lock is free. */
async function keepLocked(
  first: pg.Client,
  address: PostgresAddress,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  let held: pg.Client | null = first;
  let retryMs = 100;
  while (!signal.aborted) {
    if (held !== null) {
      await lostOrAborted(held, signal);
      if (signal.aborted) {
        break;
      }
      cutClient(held);
      retryMs = 100;
    }
    const again = await lockedSession(address, lock, signal).catch(() => null);
    held = typeof again === 'string' ? null : again;
    if (held === null) {
      await sleep(retryMs, undefined, { signal }).catch(() => {});
      retryMs = Math.min(retryMs * 2, longestRetryMs);
    }
  }
  if (held !== null) {
    // The server frees the lock before it closes its end.
    const ended = held.end().catch(() => {});
    await Promise.race([ended, sleep(partingMs, undefined, { ref: false })]);
    cutClient(held);
  }
}

async function lostOrAborted(
  session: pg.Client,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const over = (): void => resolve();
  session.once('end', over);
  signal.addEventListener('abort', over, { once: true });
  const heartbeat = setInterval(() => {
    session.query('select 1').catch(over);
  }, heartbeatMs);
  await promise;
  clearInterval(heartbeat);
  session.off('end', over);
  signal.removeEventListener('abort', over);
}

/** Not a session where others hold what it needs. */
async function lockedSession(
  address: PostgresAddress,
  lock: Lock,
  signal: AbortSignal | undefined,
): Promise<Held> {
  const session = await dialSession(address, signal);
  const cut = (): void => cutClient(session);
  signal?.addEventListener('abort', cut, { once: true });
  let held: Held = 'taken';
  try {
    await keepAlive(session);
    held = await takeLocks(session, lock);
    signal?.throwIfAborted();
    return held;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cut);
    if (typeof held === 'string' || signal?.aborted) {
      cut();
    }
  }
}

async function takeLocks(session: pg.Client, lock: Lock): Promise<Held> {
  const ask = async (call: string, key: string): Promise<boolean> => {
    const { rows } = await session.query<{ done: boolean }>(
      `select ${call}($1::int8) as done`,
      [key],
    );
    return rows[0]!.done;
  };
  const { kind, schema, acknowledging } = lock;
  if (kind === 'exclusive') {
    return (await ask('pg_try_advisory_lock', schema)) ? session : 'taken';
  }
  const other = acknowledging[kind === 'staged' ? 'applied' : 'staged'];
  // First one's own, then a look at the other: of two that come at the same
  // moment one sees the other at least.
  if (
    !(await ask('pg_try_advisory_lock_shared', schema)) ||
    !(await ask('pg_try_advisory_lock_shared', acknowledging[kind]))
  ) {
    return 'taken';
  }
  if (!(await ask('pg_try_advisory_lock', other))) {
    return 'other-mode';
  }
  await ask('pg_advisory_unlock', other);
  return session;
}

/** The lock's number: the first 64 bits of a hash of the names. */
function lockKey(...names: string[]): string {
  return createHash('sha256')
    .update(JSON.stringify(['replicator staging', ...names]))
    .digest()
    .readBigInt64BE(0)
    .toString();
}
