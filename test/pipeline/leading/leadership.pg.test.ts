import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { ReplicatorError } from '../../../src/failure/failure.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  hasDied,
  holderName,
} from '../../../src/pipeline/leading/holder-name.ts';
import {
  Leadership,
  type LeadershipObserver,
} from '../../../src/pipeline/leading/leadership.ts';
import type { Term } from '../../../src/pipeline/leading/term.ts';
import type { Leases } from '../../../src/staging/leases.ts';
import { silentAudit } from '../../support/silent-audit.ts';
import { openSharedStaging } from '../../support/house.ts';
import { testDatabase } from '../../support/test-database.ts';

const schema = schemaName(['shop', 'public']);
/** Long enough that a slow machine renews in time. */
const usualLeaseMs = 2_000;
/** Short enough that many run out. */
const hastyLeaseMs = 400;

const silent: LeadershipObserver = {
  standsBy() {},
  cannotLook() {},
  takes: () => silentAudit.begin('take'),
  leads() {},
  raised() {},
  leadsNoMore() {},
  offers() {},
};

interface Daemon {
  readonly term: Term | null;
  stop(): Promise<void>;
}

/** Leads whenever it may, until stopped. */
function daemon(
  leases: Leases,
  holder: string,
  changes: {
    readonly observer?: Partial<LeadershipObserver>;
    readonly pingTarget?: (signal: AbortSignal) => Promise<void>;
    readonly leaseMs?: number;
    /** Ends a term by itself after so long. */
    readonly serveMs?: () => number;
  } = {},
): Daemon {
  const stop = new AbortController();
  let term: Term | null = null;
  const leadership = new Leadership({
    leases,
    holder,
    leaseMs: changes.leaseMs ?? usualLeaseMs,
    schema,
    pingTarget: changes.pingTarget ?? (async () => {}),
    observer: { ...silent, ...changes.observer },
  });
  const serve = async (now: Term): Promise<void> => {
    term = now;
    const signal = AbortSignal.any([now.signal, stop.signal]);
    await sleep(changes.serveMs?.() ?? 600_000, undefined, { signal }).catch(
      () => {},
    );
    // As long as it serves it might commit: that is what is looked at.
    term = null;
  };
  const running = (async () => {
    while (!stop.signal.aborted) {
      await leadership.lead(stop.signal, serve).catch(() => {});
    }
  })();
  return {
    get term() {
      return term;
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

function mayCommit({ term }: Daemon): boolean {
  try {
    term?.assertCurrent();
    return term !== null;
  } catch {
    return false;
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(isSo, { timeout: 30_000, interval: 5 }).toBe(true);
}

/** Statements are late, lost on the way there, or on the way back. */
function flaky(leases: Leases, random: () => number): Leases {
  const through = async <T>(work: () => Promise<T>): Promise<T> => {
    const fate = random();
    if (fate < 0.15) {
      await sleep(random() * hastyLeaseMs * 1.5);
    }
    if (fate > 0.9) {
      throw new ReplicatorError('E2001', { detail: 'lost on the way there' });
    }
    const answer = await work();
    if (fate > 0.8) {
      throw new ReplicatorError('E2001', { detail: 'lost on the way back' });
    }
    if (fate > 0.7) {
      await sleep(random() * hastyLeaseMs * 1.5);
    }
    return answer;
  };
  return {
    read: (...given) => through(() => leases.read(...given)),
    take: (...given) => through(() => leases.take(...given)),
    renew: (...given) => through(() => leases.renew(...given)),
    raiseEpoch: (...given) => through(() => leases.raiseEpoch(...given)),
    release: (...given) => through(() => leases.release(...given)),
    commitApplied: (...given) => through(() => leases.commitApplied(...given)),
  };
}

test('whatever happens to statements on their way, at most one daemon may commit, and epochs only rise', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  const epochs: number[] = [];
  const daemons = ['a', 'b', 'c', 'd'].map((name) =>
    daemon(flaky(store.leases!, Math.random), name, {
      observer: { leads: (epoch) => epochs.push(epoch) },
      leaseMs: hastyLeaseMs,
      serveMs: () => Math.random() * hastyLeaseMs * 6,
    }),
  );
  let seenLeading = 0;
  let changes = 0;
  let last: Daemon | undefined;
  while (seenLeading < 300 || changes < 8) {
    const leading = daemons.filter(mayCommit);
    expect(leading.length).toBeLessThanOrEqual(1);
    if (leading[0]) {
      seenLeading += 1;
      changes += leading[0] === last ? 0 : 1;
      last = leading[0];
      if (Math.random() < 0.02) {
        // It may fail; then nothing is known, and nothing may go wrong.
        await last.term?.raiseEpoch(0).catch(() => {});
      }
    }
    await sleep(5);
  }
  await Promise.all(daemons.map((each) => each.stop()));
  expect(new Set(epochs).size).toBe(epochs.length);
});

test('a lease that is given back is taken long before it would have run out', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  const first = daemon(store.leases!, 'first');
  await until(() => mayCommit(first));
  const causes: string[] = [];
  const second = daemon(store.leases!, 'second', {
    observer: { leads: (_epoch, cause) => causes.push(cause) },
  });
  await first.stop();
  await until(() => mayCommit(second));
  await second.stop();
  expect(causes).toEqual(['free']);
  expect((await store.leases!.read(schema))!.holder).toBe('');
});

test('the lease of a process that has ended is taken for that, and one of a process that lives, or of another machine, is not', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  const child = spawn('sleep', ['600']);
  const own = holderName('own');
  const nameOf = (pid: number): string =>
    own.replace(`:${process.pid}:`, `:${pid}:`);
  const living = nameOf(child.pid!);
  expect(hasDied(living)).toBe(false);
  expect(hasDied(own)).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(hasDied(living)).toBe(true);
  expect(hasDied(living.replace(/:[^:]+(?=:[^:]+$)/, ':elsewhere'))).toBe(
    false,
  );
  expect(hasDied(living.replace(/:[^:]+(?=:[^:]+$)/, ':'))).toBe(false);
  await store.leases!.take(schema, living, null);
  const causes: string[] = [];
  const next = daemon(store.leases!, own, {
    observer: { leads: (_epoch, cause) => causes.push(cause) },
  });
  await until(() => mayCommit(next));
  await next.stop();
  expect(causes).toEqual(['dead']);
});

test('a daemon that cannot reach its target offers the lease, and only one that reaches its own takes it', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  let isReachable = false;
  const refused = (): Promise<void> =>
    Promise.reject(new ReplicatorError('E4001'));
  const offers: boolean[] = [];
  const first = daemon(store.leases!, 'first', {
    pingTarget: refused,
    observer: { offers: (isOffered) => offers.push(isOffered) },
  });
  await until(() => mayCommit(first));
  const causes: string[] = [];
  const second = daemon(store.leases!, 'second', {
    pingTarget: () => (isReachable ? Promise.resolve() : refused()),
    observer: { leads: (_epoch, cause) => causes.push(cause) },
  });
  await until(async () => (await store.leases!.read(schema))!.offered);
  // Offered is not given away: but nothing is committed any more.
  expect(mayCommit(first)).toBe(false);
  expect(causes).toEqual([]);
  isReachable = true;
  await until(() => mayCommit(second));
  expect(causes).toEqual(['offered']);
  expect(offers[0]).toBe(true);
  await Promise.all([first.stop(), second.stop()]);
});

test('a lease that was offered to nobody is held again when the target is back', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  let isReachable = false;
  const alone = daemon(store.leases!, 'alone', {
    pingTarget: () =>
      isReachable
        ? Promise.resolve()
        : Promise.reject(new ReplicatorError('E4001')),
  });
  await until(async () => (await store.leases!.read(schema))?.offered === true);
  const { epoch } = (await store.leases!.read(schema))!;
  isReachable = true;
  await until(() => mayCommit(alone));
  await until(
    async () => (await store.leases!.read(schema))?.offered === false,
  );
  expect(await store.leases!.read(schema)).toMatchObject({
    holder: 'alone',
    epoch,
  });
  await alone.stop();
});

test('a daemon that staging does not answer any more commits nothing after its lease', async () => {
  await using db = await testDatabase();
  await using store = await openSharedStaging(db);
  let isCut = false;
  const leases = store.leases!;
  const silence = <T>(answer: () => Promise<T>): Promise<T> =>
    isCut ? new Promise<never>(() => {}) : answer();
  const cut: Leases = {
    ...leases,
    read: (...given) => silence(() => leases.read(...given)),
    take: (...given) => silence(() => leases.take(...given)),
    renew: (...given) => silence(() => leases.renew(...given)),
  };
  const reasons: string[] = [];
  const first = daemon(cut, 'first', {
    observer: { leadsNoMore: (reason) => reasons.push(reason) },
  });
  await until(() => mayCommit(first));
  isCut = true;
  const second = daemon(leases, 'second');
  await until(() => mayCommit(second));
  expect(mayCommit(first)).toBe(false);
  await until(() =>
    /could not be renewed: no answer within/.test(reasons.at(-1) ?? ''),
  );
  await Promise.all([first.stop(), second.stop()]);
});
