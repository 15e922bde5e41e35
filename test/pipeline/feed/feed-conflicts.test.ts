import { expect, test } from 'vitest';

import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  timestampFromMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { FeedConflicts } from '../../../src/pipeline/feed/feed-conflicts.ts';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const zero = {
  applied: zeroTimestamp,
  appliedInTarget: zeroTimestamp,
  retired: zeroTimestamp,
};

/** What is told after messages that go back with every second one. */
async function complaintAfter(heldUpMs: number): Promise<string | null> {
  const status = new PipelineStatus();
  const conflicts = new FeedConflicts(schemaName(['shop', 'public']), status, {
    shared: null,
    metrics: createMetrics(),
    logger: silentLogger,
  });
  for (let step = 0; step < 48; step += 1) {
    const resolved = timestampFromMs(2_000 + step);
    const checkpoint = { ...zero, resolved };
    const recorded = { checkpoint, messageNumber: null };
    await conflicts.heard(resolved, { ...recorded, accepted: true }, 1);
    await conflicts.heard(
      timestampFromMs(1_000 + step),
      { ...recorded, accepted: false },
      heldUpMs,
    );
  }
  return status.feedComplaint;
}

test('resolved messages that step back again and again are told', async () => {
  expect(await complaintAfter(5)).toMatch(/^E1030 /);
});

test('resolved messages that were held up, and overtaken at another daemon, are no second feed', async () => {
  expect(await complaintAfter(3_000)).toBeNull();
});
