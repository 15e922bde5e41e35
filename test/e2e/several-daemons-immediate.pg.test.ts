import { setTimeout as sleep } from 'node:timers/promises';

import { describe, test } from 'vitest';

import { until } from './arena.ts';
import { Fleet, leadsNow, signalDaemon } from './fleet.ts';

/** Of a machine that has other things to do; what stands still ends sooner. */
const timeoutMs = 600_000;
const busyMs = 120_000;

describe('three daemons behind a load balancer, in immediate mode', () => {
  test.for([
    { name: 'is killed', isKilled: true },
    {
      name: 'is frozen for longer than its lease and wakes up',
      isKilled: false,
    },
  ])(
    'the one that leads $name: every accepted row is there, none older than it was',
    { timeout: timeoutMs },
    async ({ isKilled }) => {
      await using fleet = await Fleet.open({ mode: 'immediate' });
      const workload = await fleet.workload();
      for (let round = 0; round < 2; round += 1) {
        const leader = await fleet.leader();
        await sleep(1_000);
        if (isKilled) {
          leader.daemon.kill('SIGKILL');
          await fleet.leader(leader);
          await fleet.restart(leader);
        } else {
          signalDaemon(leader, 'SIGSTOP');
          await fleet.leader(leader);
          signalDaemon(leader, 'SIGCONT');
          await until(
            'it stands by',
            async () => !(await leadsNow(leader)),
            busyMs,
          );
        }
        const { transactions } = await workload.nextProgress();
        await until(
          'the source gets on',
          async () =>
            (await workload.nextProgress()).transactions > transactions + 10,
          busyMs,
        );
      }
      await fleet.settle(workload);
    },
  );
});
