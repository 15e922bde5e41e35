import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'vitest';

import type { FaultProxy } from '../support/fault-proxy.ts';
import {
  type Arena,
  type RunningWorkload,
  sayRound,
  soakKillCount,
  untilMoreIsApplied,
} from './arena.ts';

/** How often each fault strikes in one test. */
export const roundCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 25) : 1;
export const faultTimeoutMs = 120_000 + roundCount * 60_000;

/** A server of the target or of staging, of any kind. */
export interface MortalServer {
  /** Those that know only one way to stop ignore the mode. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** What befalls a server, or the way to it, while rows flow. */
export interface Fault {
  readonly name: string;
  readonly strike: (server: MortalServer, proxy: FaultProxy) => Promise<void>;
}

/**
 * PostgreSQL's: the word in the statement, or, where one statement is a whole
 * transaction, in what it writes: a row of the ledger has committed_at.
 */
const writesCommit = /commit/i;

export const faults: readonly Fault[] = [
  {
    name: 'a fast restart',
    async strike(server) {
      await server.stop('fast');
      await sleep(Math.random() * 1000);
      await server.start();
    },
  },
  {
    name: 'an immediate restart',
    async strike(server) {
      await server.stop('immediate');
      await server.start();
    },
  },
  {
    name: 'kill -9',
    async strike(server) {
      await server.kill();
      await sleep(Math.random() * 1000);
      await server.start();
    },
  },
  {
    name: 'cut connections',
    async strike(_server, proxy) {
      for (let cut = 0; cut < 10; cut += 1) {
        proxy.cut();
        await sleep(Math.random() * 150);
      }
    },
  },
  {
    name: 'a server that cannot be reached for a while',
    async strike(_server, proxy) {
      await proxy.refuse();
      proxy.cut();
      await sleep(1500);
      await proxy.resume();
    },
  },
  {
    name: 'half-open connections',
    async strike(_server, proxy) {
      proxy.hold();
      await sleep(2000);
      // What was held up is lost, as when a firewall forgets a connection.
      proxy.cut();
      await proxy.resume();
    },
  },
  lostAnswers(writesCommit),
];

/** After each the daemon applies rows again. */
export async function strikeInTurn(
  what: string,
  { server, proxy }: { server: MortalServer; proxy: FaultProxy },
  { arena, workload }: { arena: Arena; workload: RunningWorkload },
): Promise<void> {
  for (let round = 1; round <= roundCount; round += 1) {
    for (const { name, strike } of faults) {
      await sleep(500 + Math.random() * 700);
      await strike(server, proxy);
      await untilMoreIsApplied(
        workload,
        () => `${name}\n${arena.daemon.logs().slice(-4000)}`,
      );
    }
    sayRound(what, round, roundCount);
  }
}

/** `pattern` knows the packet that commits. */
export function lostAnswers(pattern: RegExp): Fault {
  const isCommit = (chunk: Buffer): boolean =>
    pattern.test(chunk.toString('latin1'));
  return {
    name: 'commits that were done and whose answers were lost',
    async strike(_server, proxy) {
      let lostCount = 0;
      for (let round = 0; round < 5; round += 1) {
        const lost = proxy.dropAnswerAfter(isCommit).then(() => 1);
        lostCount += await Promise.race([lost, sleep(3000, 0)]);
      }
      expect(lostCount).toBeGreaterThan(0);
    },
  };
}
