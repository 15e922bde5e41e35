import { mkdtemp, rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReplicatorError } from '../../src/failure/failure.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../src/mutation/timestamp.ts';
import { openStaging } from '../../src/staging/open.ts';

test('a group of requests meets a locked staging.db once, not once for each request', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'locked-'));
  try {
    await using store = await openStaging({
      stagingConn: null,
      dataDir,
      stagingSchema: '_replicator.public',
      createSchema: false,
      pool: {
        idleTimeMs: 1,
        jitterTimeMs: 0,
        maxLifetimeMs: 0,
        maxPoolSize: 1,
      },
    });
    const other = new DatabaseSync(join(dataDir, 'staging.db'));
    other.exec('begin immediate');
    const time = timestampFromMs(1);
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        store.append([
          {
            schema: 'db.public' as SchemaName,
            table: 't',
            minTime: time,
            maxTime: time,
            rowCount: 1,
            body: Buffer.from('x'),
          },
        ]),
      ),
    );
    other.close();
    const reasons = answers.map(
      (answer) => (answer as PromiseRejectedResult).reason as ReplicatorError,
    );
    expect(reasons.map(({ code }) => code)).toEqual(Array(8).fill('E2007'));
    // Each try stops the event loop for 2 s.
    expect(new Set(reasons.map(({ cause }) => cause)).size).toBe(1);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});
