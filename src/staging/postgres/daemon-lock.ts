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
import { dialSession } from './connections.ts';
import { sqlState } from './errors.ts';

export type LockKind = 'shared' | 'exclusive';

interface Lock {
  readonly key: string;
  readonly kind: LockKind;
}

const tryLock = {
  shared: 'pg_try_advisory_lock_shared',
  exclusive: 'pg_try_advisory_lock',
};

/** How long the server may take to notice that the last holder is dead. */
const takeOverMs = 5_000;
const takeOverStepMs = 250;
/** Shorter than any idle timeout of a server, a pooler or a firewall. */
const heartbeatMs = 15_000;
const longestRetryMs = 10_000;
const partingMs = 1_000;

/**
 * So that the server soon ends the session of a machine that is gone without
 * a word; by its default it would hold the lock for two hours more.
 */
const keepAliveSettings = `select set_config('tcp_keepalives_idle', '15', false),
  set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false)`;

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
  const lock = { key: lockKey(database, schema), kind };
  const deadline = performance.now() + takeOverMs;
  let held = await lockedSession(address, lock, signal);
  while (held === null) {
    if (performance.now() >= deadline) {
      throw new ReplicatorError('E2005', {
        detail: `another replicator uses the staging schema ${JSON.stringify(schema)} in the database ${JSON.stringify(database)}`,
        remedy: 'stop the other one, or give this one its own --stagingSchema',
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
    held = await lockedSession(address, lock, signal).catch(() => null);
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

/** Null where another session holds the lock. */
async function lockedSession(
  address: PostgresAddress,
  { key, kind }: Lock,
  signal: AbortSignal | undefined,
): Promise<pg.Client | null> {
  const session = await dialSession(address, signal);
  const cut = (): void => cutClient(session);
  signal?.addEventListener('abort', cut, { once: true });
  let locked = false;
  try {
    await session.query(keepAliveSettings).catch((error: unknown) => {
      // A server that does not know them does without.
      if (sqlState(error) === null) {
        throw error;
      }
    });
    const { rows } = await session.query<{ locked: boolean }>(
      `select ${tryLock[kind]}($1::int8) as locked`,
      [key],
    );
    signal?.throwIfAborted();
    locked = rows[0]!.locked;
    return locked ? session : null;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cut);
    if (!locked) {
      cut();
    }
  }
}

/** The lock's number: the first 64 bits of a hash of the names. */
function lockKey(database: string, schema: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['replicator staging', database, schema]))
    .digest()
    .readBigInt64BE(0)
    .toString();
}
