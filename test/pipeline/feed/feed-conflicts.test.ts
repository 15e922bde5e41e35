import { expect, test } from 'vitest';

import { schemaName } from '../../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import { FeedConflicts } from '../../../src/pipeline/feed/feed-conflicts.ts';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

/** What is told after messages that go back with every second one. */
function complaintAfter(heldUpMs: number): string | null {
  const status = new PipelineStatus();
  const conflicts = new FeedConflicts(schemaName(['shop', 'public']), status, {
    metrics: createMetrics(),
    logger: silentLogger,
  });
  for (let step = 0; step < 48; step += 1) {
    conflicts.heard(timestampFromMs(2_000 + step), true, 1);
    conflicts.heard(timestampFromMs(1_000 + step), false, heldUpMs);
  }
  return status.feedComplaint;
}

test('resolved messages that step back again and again are told', () => {
  expect(complaintAfter(5)).toMatch(/^E1030 /);
});

test('resolved messages that were held up, and overtaken at another daemon, are no second feed', () => {
  expect(complaintAfter(3_000)).toBeNull();
});
