import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';
import { testDatabase } from '../support/test-database.ts';
import { sayRound, soakKillCount, until } from './arena.ts';
import { checkerSetup, startSlotChecker } from './slot-checker.ts';

const roundCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 4) : 2;
const timeoutMs = 300_000 + roundCount * 30_000;
const crewCount = 3;

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Of the database that is asked: other tests have locks at this server too. */
const stagingLocks = `from pg_locks where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())`;

/** Daemons of which one works, each started again where it has ended. */
class Crew implements AsyncDisposable {
  readonly #house: SlotHouse;
  readonly #args: readonly string[];
  readonly #daemons: Daemon[] = [];

  constructor(house: SlotHouse, stagingArgs: readonly string[]) {
    this.#house = house;
    this.#args = [
      `--sourceConn=${house.source.url}`,
      `--targetConn=${house.target.url}`,
      `--targetSchema=${house.target.schema}`,
      `--slotName=${house.slotName}`,
      '--publicationName=changes,markers',
      '--quiescentPeriod=200ms',
      ...stagingArgs,
    ];
  }

  async start(place: number): Promise<void> {
    await this.#daemons[place]?.[Symbol.asyncDispose]();
    const isShared = this.#args.some((arg) => arg.startsWith('--stagingConn'));
    this.#daemons[place] = await startDaemon({
      command: 'pglogical',
      args: this.#args,
      ...(isShared ? {} : { dataDir: this.#house.dataDir }),
      waitFor: 'nothing',
    });
  }

  /** Which one reads the slot, once one does. */
  async reader(): Promise<number> {
    let reader = -1;
    await this.#until('one of them reads the slot', async () => {
      for (const [place, daemon] of this.#daemons.entries()) {
        if (await isReading(daemon)) {
          reader = place;
        }
      }
      return reader >= 0;
    });
    return reader;
  }

  async othersWait(reader: number): Promise<void> {
    await this.#until('the others say that they wait', () =>
      this.#daemons.every(
        (daemon, place) => place === reader || /waiting: /.test(daemon.logs()),
      ),
    );
  }

  async end(place: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const daemon = this.#daemons[place]!;
    daemon.kill(signal);
    expect(await daemon.exited, this.#logs()).toBe(
      signal === 'SIGKILL' ? null : 0,
    );
  }

  /** Staging is open to it, and the target. */
  hasOpened(place: number): boolean {
    return /target schema opened/.test(this.#daemons[place]!.logs());
  }

  /** As a supervisor does: it has ended because of another one, and starts. */
  async startSuperseded(
    place: number,
    isLocked: () => Promise<boolean>,
  ): Promise<void> {
    const daemon = this.#daemons[place]!;
    expect(await daemon.exited, this.#logs()).toBe(1);
    expect(daemon.logs().trimEnd().split('\n').at(-1)).toMatch(/E4009/);
    // Or it might be there before the other one asks for the lock again.
    await this.#until('the other one holds the lock of staging', isLocked);
    await this.start(place);
  }

  async expectAlive(): Promise<void> {
    for (const daemon of this.#daemons) {
      expect(await hasEnded(daemon), this.#logs()).toBe(false);
    }
  }

  #logs(): string {
    return this.#daemons
      .map((daemon, place) => `--- ${place}\n${daemon.logs().slice(-2000)}`)
      .join('\n');
  }

  async #until(
    what: string,
    isSo: () => boolean | Promise<boolean>,
  ): Promise<void> {
    await until(what, isSo, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#logs()}`, { cause: error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) {
      await daemon[Symbol.asyncDispose]();
    }
  }
}

async function hasEnded({ exited }: Daemon): Promise<boolean> {
  return await Promise.race([exited.then(() => true), sleep(0, false)]);
}

async function isReading({ metricsUrl }: Daemon): Promise<boolean> {
  try {
    const answer = await fetch(`${metricsUrl}/_/varz`, {
      signal: AbortSignal.timeout(10_000),
    });
    return /^replicator_slot_reading 1$/m.test(await answer.text());
  } catch {
    return false;
  }
}

test.for(['postgres', 'sqlite'] as const)(
  'of several daemons on one slot and one %s staging one works and the others say that they wait; whichever ends, another goes on',
  { timeout: timeoutMs },
  async (staging) => {
    await using stagingDatabase =
      staging === 'postgres' ? await testDatabase() : undefined;
    const args = stagingDatabase
      ? [
          `--stagingConn=${stagingDatabase.url}`,
          '--stagingCreateSchema',
          `--stagingSchema=${stagingDatabase.name}.staging`,
        ]
      : [];
    await using house = await slotHouse({ server, setup: checkerSetup, args });
    expect(await house.stop()).toBe(0);
    await using crew = new Crew(house, args);
    for (let place = 0; place < crewCount; place += 1) {
      await crew.start(place);
    }
    const first = await crew.reader();
    await crew.othersWait(first);
    await using checker = await startSlotChecker({ house });
    for (let round = 1; round <= roundCount; round += 1) {
      await checker.committed(20);
      const reader = await crew.reader();
      await crew.end(reader, round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      expect(await crew.reader()).not.toBe(reader);
      await crew.start(reader);
      await checker.moved();
      await crew.expectAlive();
      sayRound(`takeovers with ${staging} staging`, round, roundCount);
    }
    await crew[Symbol.asyncDispose]();
    await house.start();
    await checker.finish();
  },
);

test(
  'a daemon that has lost the common staging to another reads no more, so that whoever is left applies what is read',
  { timeout: timeoutMs },
  async () => {
    await using staging = await testDatabase();
    const args = [
      `--stagingConn=${staging.url}`,
      '--stagingCreateSchema',
      `--stagingSchema=${staging.name}.staging`,
    ];
    await using house = await slotHouse({ server, setup: checkerSetup, args });
    expect(await house.stop()).toBe(0);
    await using crew = new Crew(house, args);
    await crew.start(0);
    expect(await crew.reader()).toBe(0);
    await using checker = await startSlotChecker({ house });
    for (let round = 1; round <= Math.ceil(roundCount / 4); round += 1) {
      const before = await crew.reader();
      const after = 1 - before;
      await crew.start(after);
      await crew.othersWait(before);
      // The lock goes with its session: whoever comes first has it then.
      await until('the other one has staging', async () => {
        await staging.query(`select pg_terminate_backend(pid) ${stagingLocks}`);
        await sleep(Math.random() * 100);
        return crew.hasOpened(after);
      });
      await crew.startSuperseded(before, async () => {
        const { rows } = await staging.query(`select pid ${stagingLocks}`);
        return rows.length > 0;
      });
      expect(await crew.reader()).toBe(after);
      await checker.committed(20);
      await checker.moved();
      await crew.end(after, 'SIGKILL');
      await checker.committed(20);
      await checker.moved();
    }
    await crew[Symbol.asyncDispose]();
    await house.start();
    await checker.finish();
  },
);
