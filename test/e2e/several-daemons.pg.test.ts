import { setTimeout as sleep } from 'node:timers/promises';

import pg from 'pg';
import { describe, expect, test } from 'vitest';

import { until } from './arena.ts';
import { memberFaults } from './fleet-faults.ts';
import { diagOf, Fleet, leadsNow, signalDaemon } from './fleet.ts';

/** Of a machine that has other things to do; what stands still ends sooner. */
const timeoutMs = 600_000;
const busyMs = 120_000;

describe('three daemons behind a load balancer', () => {
  test.for(memberFaults)(
    'the one that leads $name: another goes on, and nothing is lost or out of order',
    { timeout: timeoutMs },
    async ({ strike, mend }) => {
      await using fleet = await Fleet.open();
      const workload = await fleet.workload();
      await fleet.movedBeyond(0);
      const leader = await fleet.leader();
      const before = await fleet.latestEpoch();
      await strike(fleet, leader);
      await fleet.movedBeyond(before);
      const next = await fleet.leader(leader);
      await expect
        .poll(async () => (await diagOf(next)).pipelines[0]!.state)
        .toBe('running');
      await mend(fleet, leader);
      await until(
        'the one that led stands by, or leads again',
        async () => {
          const { state } = (await diagOf(leader)).pipelines[0]!;
          return state === 'standby' || state === 'running';
        },
        busyMs,
      );
      await sleep(1_000);
      await fleet.settle(workload);
      // All three have accepted.
      for (const count of fleet.balancer.answeredCounts) {
        expect(count).toBeGreaterThan(0);
      }
    },
  );

  test(
    'the one that leads is frozen with locks in its hands: the next one takes them from it',
    { timeout: timeoutMs },
    async () => {
      // The server itself would not end the frozen one's transaction so soon.
      await using fleet = await Fleet.open({ args: ['--applyTimeout=10m'] });
      const workload = await fleet.workload();
      await fleet.movedBeyond(0);
      const leader = await fleet.leader();
      const before = await fleet.latestEpoch();
      const blocker = new pg.Client(fleet.target.url);
      await blocker.connect();
      try {
        await blocker.query(
          'begin; lock table workload_ledger in share row exclusive mode',
        );
        await until(
          'the leader waits for the table',
          async () => {
            const { rows } = await fleet.target.query(
              "select 1 from pg_locks where not granted and relation = 'workload_ledger'::regclass",
            );
            return rows.length > 0;
          },
          busyMs,
        );
        signalDaemon(leader, 'SIGSTOP');
        await blocker.query('commit');
      } finally {
        await blocker.end();
      }
      await fleet.movedBeyond(before);
      signalDaemon(leader, 'SIGCONT');
      await fleet.settle(workload);
    },
  );

  test(
    'no wall clock takes part: one that is an hour ahead neither takes the lease nor loses it for that',
    { timeout: timeoutMs },
    async () => {
      await using fleet = await Fleet.open({ clockShiftMs: 3_600_000 });
      const workload = await fleet.workload();
      await fleet.movedBeyond(0);
      const leader = await fleet.leader();
      const before = await fleet.latestEpoch();
      // Longer than the lease.
      await sleep(7_000);
      expect(await fleet.latestEpoch()).toBe(before);
      await expect.poll(() => leadsNow(leader)).toBe(true);
      leader.daemon.kill('SIGKILL');
      await fleet.movedBeyond(before);
      await fleet.restart(leader);
      await fleet.settle(workload);
    },
  );
});
