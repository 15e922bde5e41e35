import { describe, expect, it } from 'vitest';
import { parseLsn } from '../../../../src/source/logical/server/lsn.ts';
import {
  continuityFailure,
  parseTimelineHistory,
} from '../../../../src/source/logical/server/source-identity.ts';

const recorded = { systemId: '7', timeline: 1, lsn: '0/5000' };

function codeOf(
  now: {
    systemId?: string;
    timeline?: number;
    lsn?: string;
    isStandby?: boolean;
  },
  slot: {
    history?: readonly (readonly [number, string])[];
    confirmed?: string | null;
  } = {},
): string | null {
  const { history = [], confirmed = '0/5000' } = slot;
  return (
    continuityFailure(
      recorded,
      {
        systemId: now.systemId ?? '7',
        timeline: now.timeline ?? 1,
        currentLsn: parseLsn(now.lsn ?? '0/9000'),
        isStandby: now.isStandby ?? false,
        database: 'shop',
      },
      {
        history: history.map(([timeline, endLsn]) => ({
          timeline,
          endLsn: parseLsn(endLsn),
        })),
        confirmedLsn: confirmed === null ? null : parseLsn(confirmed),
      },
    )?.code ?? null
  );
}

describe('a source that was read before', () => {
  it('is read on where it has only gone forward', () => {
    expect(codeOf({})).toBeNull();
    expect(codeOf({ lsn: '0/5000' })).toBeNull();
    expect(codeOf({}, { confirmed: '0/4000' })).toBeNull();
    expect(codeOf({}, { confirmed: null })).toBeNull();
  });

  it('is not read on where it is another, or its WAL ends earlier (E6005)', () => {
    expect(codeOf({ systemId: '8' })).toBe('E6005');
    expect(codeOf({ lsn: '0/4FFF' })).toBe('E6005');
  });

  it('is waited for where it is a standby that replays its WAL again (E6010)', () => {
    expect(codeOf({ lsn: '0/4FFF', isStandby: true })).toBe('E6010');
    expect(codeOf({ lsn: '0/5000', isStandby: true })).toBeNull();
    expect(codeOf({ lsn: '0/4FFF', isStandby: true, systemId: '8' })).toBe(
      'E6005',
    );
  });

  it('is read on after a promotion behind what was read, and else not', () => {
    const past = [[1, '0/5000']] as const;
    expect(codeOf({ timeline: 2 }, { history: past })).toBeNull();
    expect(
      codeOf({ timeline: 3 }, { history: [...past, [2, '0/6000']] }),
    ).toBeNull();
    expect(codeOf({ timeline: 2 }, { history: [[1, '0/4FFF']] })).toBe('E6005');
    // It branched off from another timeline than the one that was read.
    expect(codeOf({ timeline: 4 }, { history: [[2, '0/6000']] })).toBe('E6005');
    expect(codeOf({ timeline: 2 })).toBe('E6005');
  });

  it('is not read on where the slot was moved by somebody else (E6006)', () => {
    expect(codeOf({}, { confirmed: '0/5001' })).toBe('E6006');
  });
});

it('reads the history of timelines as the server writes it', () => {
  expect(
    parseTimelineHistory(
      '1\t0/3000000\tno recovery target specified\n\n2\tA/10\tbefore 2000-01-01\n',
    ),
  ).toEqual([
    { timeline: 1, endLsn: 0x3000000n },
    { timeline: 2, endLsn: 0xa00000010n },
  ]);
});
