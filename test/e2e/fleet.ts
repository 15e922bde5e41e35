/**
 * Several daemons on one staging schema behind a load balancer, each with ways
 * of its own to staging and target, which may be cut. Every change of the
 * target's watermark row is written down in the order in which it took effect.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';
import {
  type RunningWorkload,
  startWorkload,
  until,
  webhookPath,
} from './arena.ts';
import { reportLines } from '../../src/workload/report-text.ts';
import type {
  WorkloadOptions,
  WorkloadReport,
} from '../../src/workload/workload.ts';

export interface FleetOptions {
  readonly mode?: 'consistent' | 'immediate';
  /** Of one of the daemons the wall clock is wrong by so much. */
  readonly clockShiftMs?: number;
  readonly args?: readonly string[];
}

const memberCount = 3;
/** Ten times what a take-over takes, and more, for machines that are busy. */
const stallMs = 120_000;
const schemaLabel = /^replicator_leader\{.*\} 1$/m;

export interface Member {
  readonly name: string;
  daemon: Daemon;
  readonly toStaging: FaultProxy;
  readonly toTarget: FaultProxy;
}

export class Fleet implements AsyncDisposable {
  readonly target: TestDatabase;
  readonly staging: TestDatabase;
  readonly members: readonly Member[];
  readonly balancer: RoundRobin;
  readonly #options: FleetOptions;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<Fleet, 'target' | 'staging' | 'members' | 'balancer'>,
    options: FleetOptions,
    stack: AsyncDisposableStack,
  ) {
    this.target = parts.target;
    this.staging = parts.staging;
    this.members = parts.members;
    this.balancer = parts.balancer;
    this.#options = options;
    this.#stack = stack;
  }

  static async open(options: FleetOptions = {}): Promise<Fleet> {
    await using stack = new AsyncDisposableStack();
    const target = stack.use(await testDatabase());
    const staging = stack.use(await testDatabase());
    const port = Number(new URL(target.url).port);
    const opening = Array.from({ length: memberCount }, async (_, index) => {
      const toStaging = stack.use(await startFaultProxy({ port }));
      const toTarget = stack.use(await startFaultProxy({ port }));
      // All at the same moment: they make the staging schema together.
      const daemon = await startDaemon({
        args: [
          '--disableAuthentication',
          `--targetConn=${toTarget.url(target.url)}`,
          `--stagingConn=${toStaging.url(staging.url)}`,
          `--stagingSchema=${staging.name}.staging`,
          '--stagingCreateSchema',
          ...(options.mode === 'immediate' ? ['--immediate'] : []),
          ...(options.args ?? []),
        ],
        ...(index === 1 && options.clockShiftMs !== undefined
          ? { env: shiftedClock(options.clockShiftMs) }
          : {}),
      });
      const member: Member = { name: `d${index}`, daemon, toStaging, toTarget };
      stack.defer(() => member.daemon[Symbol.asyncDispose]());
      return member;
    });
    const members = await Promise.all(opening);
    const balancer = stack.use(
      await startRoundRobin(members.map(({ daemon }) => daemon.port)),
    );
    const parts = { target, staging, members, balancer };
    return new Fleet(parts, options, stack.move());
  }

  /** Begins a workload, and resolves when one daemon leads and is watched. */
  async workload(
    changes: Partial<WorkloadOptions> = {},
  ): Promise<RunningWorkload> {
    const { path } = webhookPath(this.target.url);
    const url = `http://127.0.0.1:${this.balancer.port}${path}`;
    const workload = startWorkload(
      url,
      { targetUrl: this.target.url, ...this.#options },
      // Every request until it is taken, and none anew: a third of them may
      // find a daemon that takes none, and a feed that starts over again and
      // again would never get on.
      { tries: 0, replayIntervalMs: 0, ...changes },
    );
    await until('the target has a watermark', async () => {
      const { rows } = await this.target.query(
        "select to_regclass('public.replicator_checkpoint') as name",
      );
      return rows[0]!['name'] !== null;
    });
    await this.target.query(writeDownMarks);
    return workload;
  }

  /** The daemon that says of itself that it leads. */
  async leader(except?: Member): Promise<Member> {
    let found: Member | undefined;
    await this.#until('a daemon leads', async () => {
      const asked = this.members.filter((member) => member !== except);
      const leads = await Promise.all(asked.map(leadsNow));
      found = asked.find((_, index) => leads[index]);
      return found !== undefined;
    });
    return found!;
  }

  /** Epochs in the order in which changes of the watermark row took effect. */
  async epochs(): Promise<number[]> {
    const { rows } = await this.target.query<{ epoch: string }>(
      'select epoch from public.mark_history order by id',
    );
    return rows.map(({ epoch }) => Number(epoch));
  }

  /** Waits until something is committed under an epoch later than this one. */
  async movedBeyond(epoch: number): Promise<void> {
    await this.#until(
      `the watermark moves under an epoch beyond ${epoch}`,
      async () => {
        const epochs = await this.epochs();
        const since = epochs.filter((one) => one > epoch);
        // The claim, and commits behind it.
        return since.length > 5;
      },
    );
  }

  /** Gives up when nobody has taken a lease or committed for `stallMs`. */
  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    let seen = '';
    let seenAtMs = performance.now();
    for (;;) {
      if (await isSo()) {
        return;
      }
      const progress = await this.#progress();
      if (progress !== seen) {
        seen = progress;
        seenAtMs = performance.now();
      } else if (performance.now() - seenAtMs > stallMs) {
        throw new Error(`waited in vain until ${what}\n${this.logs()}`);
      }
      await sleep(50);
    }
  }

  async #progress(): Promise<string> {
    const { rows } = await this.staging.query<{ epoch: string }>(
      'select epoch from staging.staging_lease order by schema_name',
    );
    const leases = rows.map(({ epoch }) => epoch);
    return [...leases, 'committed', (await this.epochs()).length].join(' ');
  }

  async latestEpoch(): Promise<number> {
    return (await this.epochs()).at(-1) ?? 0;
  }

  /** What always holds (README.md, "What it guarantees"), and that one daemon at a time wrote. */
  async settle(workload: RunningWorkload): Promise<WorkloadReport> {
    const report = await workload.finish();
    expect(
      report.verified,
      `seed ${workload.seed}\n${reportLines(report).slice(-8).join('\n')}\n${this.logs()}`,
    ).toBe(true);
    const epochs = await this.epochs();
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    for (const { name, daemon } of this.members) {
      // A daemon that was cut off says so until it has looked again.
      await expect
        .poll(async () => {
          const health = await fetch(`${daemon.metricsUrl}/_/healthz`);
          return [name, health.status, await health.text()];
        })
        .toEqual([name, 200, 'OK\n']);
    }
    await expect
      .poll(async () => {
        const leads = await Promise.all(this.members.map(leadsNow));
        return leads.filter(Boolean).length;
      })
      .toBe(1);
    for (const { daemon } of this.members) {
      daemon.kill('SIGTERM');
    }
    for (const { daemon } of this.members) {
      expect(await daemon.exited, daemon.logs().slice(-4000)).toBe(0);
    }
    return report;
  }

  /** kill -9, and another one at its address. */
  async restart(member: Member): Promise<void> {
    const { port, metricsPort } = member.daemon;
    member.daemon.kill('SIGKILL');
    await member.daemon.exited;
    await member.daemon[Symbol.asyncDispose]();
    member.daemon = await startDaemon({
      args: [
        '--disableAuthentication',
        `--targetConn=${member.toTarget.url(this.target.url)}`,
        `--stagingConn=${member.toStaging.url(this.staging.url)}`,
        `--stagingSchema=${this.staging.name}.staging`,
        ...(this.#options.mode === 'immediate' ? ['--immediate'] : []),
        ...(this.#options.args ?? []),
      ],
      port,
      metricsPort,
    });
  }

  logs(): string {
    return this.members
      .map(({ name, daemon }) => `--- ${name}\n${daemon.logs().slice(-2500)}`)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Freezes a daemon, or lets it go on: to itself no time has passed. */
export function signalDaemon(
  { daemon }: Member,
  signal: 'SIGSTOP' | 'SIGCONT',
): void {
  process.kill(daemon.pid, signal);
}

export async function leadsNow({ daemon }: Member): Promise<boolean> {
  try {
    const response = await fetch(`${daemon.metricsUrl}/_/varz`, {
      signal: AbortSignal.timeout(1_000),
    });
    return schemaLabel.test(await response.text());
  } catch {
    return false;
  }
}

export async function diagOf({ daemon }: Member): Promise<{
  readonly pipelines: readonly {
    readonly state: string;
    readonly leader: string;
    readonly appliedRows: number;
  }[];
}> {
  const response = await fetch(`${daemon.metricsUrl}/_/diag`, {
    signal: AbortSignal.timeout(10_000),
  });
  return (await response.json()) as Awaited<ReturnType<typeof diagOf>>;
}

function shiftedClock(shiftMs: number): Record<string, string> {
  const module = fileURLToPath(
    new URL('../support/shifted-clock.ts', import.meta.url),
  );
  return {
    NODE_OPTIONS: `--import=${module}`,
    CLOCK_SHIFT_MS: String(shiftMs),
  };
}

/** The row's own lock puts the notes into the order of the commits. */
const writeDownMarks = `
  create table if not exists public.mark_history (
    id bigint generated always as identity primary key, epoch bigint, applied text);
  create or replace function public.note_mark() returns trigger language plpgsql as $$
    begin
      insert into public.mark_history (epoch, applied) values (new.epoch, new.applied);
      return new;
    end $$;
  create or replace trigger note_mark after insert or update
    on public.replicator_checkpoint for each row execute function public.note_mark();`;
