import { expect } from 'vitest';

import { type Fleet, type Member, signalDaemon } from './fleet.ts';

/** What befalls one of several daemons while rows flow. */
export interface MemberFault {
  readonly name: string;
  readonly strike: (fleet: Fleet, member: Member) => Promise<void>;
  /** What follows, sooner or later. */
  readonly mend: (fleet: Fleet, member: Member) => Promise<void>;
}

export const memberFaults: readonly MemberFault[] = [
  {
    name: 'is killed',
    async strike(_fleet, member) {
      member.daemon.kill('SIGKILL');
      await member.daemon.exited;
    },
    mend: (fleet, member) => fleet.restart(member),
  },
  {
    name: 'is frozen for longer than its lease and wakes up',
    async strike(_fleet, member) {
      signalDaemon(member, 'SIGSTOP');
      await Promise.resolve();
    },
    async mend(_fleet, member) {
      signalDaemon(member, 'SIGCONT');
      await Promise.resolve();
    },
  },
  {
    name: 'is cut off from staging alone',
    async strike(_fleet, member) {
      await member.toStaging.refuse();
      member.toStaging.cut();
    },
    mend: (_fleet, member) => member.toStaging.resume(),
  },
  {
    name: 'hears nothing from staging any more',
    async strike(_fleet, member) {
      member.toStaging.hold();
      await Promise.resolve();
    },
    async mend(_fleet, member) {
      member.toStaging.cut();
      await member.toStaging.resume();
    },
  },
  {
    name: 'is cut off from the target alone',
    async strike(_fleet, member) {
      await member.toTarget.refuse();
      member.toTarget.cut();
    },
    mend: (_fleet, member) => member.toTarget.resume(),
  },
  {
    name: 'ends in good order',
    async strike(_fleet, member) {
      member.daemon.kill('SIGTERM');
      expect(await member.daemon.exited).toBe(0);
    },
    mend: (fleet, member) => fleet.restart(member),
  },
];
