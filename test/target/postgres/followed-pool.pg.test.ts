/** A connection that is wanted elsewhere is not handed on behind a commit. */
import { expect, test } from 'vitest';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { postgresFixture } from './fixture.ts';

test('a connection is not handed on while somebody else waits for one', async () => {
  await using fixture = await postgresFixture();
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: fixture.url,
    applyTimeoutMs: 30_000,
    pool: { ...defaultTargetOptions.pool, maxSize: 1 },
  });
  await using leader = await target.begin();
  const waiting = target.begin();
  await using early = leader.follow!();
  expect(early).toBeNull();
  await leader.commit(null);
  await using next = await waiting;
  await using follower = next.follow!();
  expect(follower).not.toBeNull();
  await next.commit(null);
  await follower!.commit(null);
});
