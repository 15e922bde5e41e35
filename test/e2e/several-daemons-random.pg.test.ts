import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { sayRound, soakKillCount, untilMoreIsApplied } from './arena.ts';
import { memberFaults } from './fleet-faults.ts';
import { Fleet } from './fleet.ts';

/** A round takes about ten seconds. */
const roundCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 3) : 5;
/** What is seen at the target before the next fault. */
const goesOn = { count: 6, deadlineMs: 120_000 };
const timeoutMs = 300_000 + roundCount * 120_000;

test.for(['consistent', 'immediate'] as const)(
  'three daemons in %s mode, whatever befalls any of them at any moment: nothing is lost, and one at a time writes',
  { timeout: timeoutMs },
  async (mode) => {
    await using fleet = await Fleet.open({ mode });
    const workload = await fleet.workload();
    const story: string[] = [];
    for (let round = 1; round <= roundCount; round += 1) {
      // Now and then two at once: one is left to do all the work.
      const struck = fleet.members
        .toSorted(() => Math.random() - 0.5)
        .slice(0, Math.random() < 0.3 ? 2 : 1);
      const mends = await Promise.all(
        struck.map(async (member) => {
          await sleep(Math.random() * 1_000);
          const fault =
            memberFaults[Math.floor(Math.random() * memberFaults.length)]!;
          story.push(`${round}: ${member.name} ${fault.name}`);
          await fault.strike(fleet, member);
          return () => fault.mend(fleet, member);
        }),
      );
      // Shorter than the lease, and longer.
      await sleep(Math.random() * 8_000);
      const isSeenWithout = Math.random() < 0.5;
      if (isSeenWithout) {
        await untilMoreIsApplied(workload, () => story.join('\n'), goesOn);
      }
      for (const mend of mends) {
        await mend();
      }
      await untilMoreIsApplied(workload, () => story.join('\n'), goesOn);
      sayRound(`three daemons, ${mode}: faults`, round, roundCount);
    }
    const report = await fleet.settle(workload);
    expect(report.progress.transactions).toBeGreaterThan(roundCount);
  },
);
