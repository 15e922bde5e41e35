import { describe, expect, it } from 'vitest';
import {
  estimateLossMs,
  type SlotSample,
} from '../../../../src/source/logical/server/slot-health.ts';

function sample(
  atMs: number,
  roomBytes: bigint | null,
  walStatus = 'reserved',
): SlotSample {
  return {
    atMs,
    health: {
      walStatus,
      safeWalSizeBytes: roomBytes,
      invalidationReason: null,
    },
  };
}

describe('when a slot will be lost', () => {
  it('is when the room that shrinks at the present rate has ended', () => {
    expect(estimateLossMs([sample(0, 1000n), sample(10_000, 800n)])).toBe(
      40_000,
    );
    expect(
      estimateLossMs([
        sample(0, 1000n),
        sample(5_000, 400n),
        sample(10_000, 900n),
      ]),
    ).toBe(90_000);
  });

  it('is never where the room does not shrink, or has no limit', () => {
    expect(estimateLossMs([])).toBeNull();
    expect(estimateLossMs([sample(0, 1000n)])).toBeNull();
    expect(estimateLossMs([sample(0, 900n), sample(9, 900n)])).toBeNull();
    expect(estimateLossMs([sample(0, 800n), sample(9, 900n)])).toBeNull();
    expect(estimateLossMs([sample(0, null), sample(9, null)])).toBeNull();
    expect(estimateLossMs([sample(0, null), sample(9, 900n)])).toBeNull();
  });

  it('is now where the next checkpoint may take it, or one has', () => {
    expect(estimateLossMs([sample(0, -5n, 'unreserved')])).toBe(0);
    expect(estimateLossMs([sample(0, 100n), sample(9, null, 'lost')])).toBe(0);
    expect(
      estimateLossMs([
        {
          atMs: 0,
          health: {
            walStatus: null,
            safeWalSizeBytes: null,
            invalidationReason: 'conflicting',
          },
        },
      ]),
    ).toBe(0);
  });
});
