import { openStaging } from '../../../src/staging/open.ts';
import { registerFeedMemoryContract } from '../../contract/feed-memory.ts';
import type { StagingPlace } from '../../contract/staging-place.ts';
import { testDatabase } from '../../support/test-database.ts';

async function database(): Promise<StagingPlace> {
  const db = await testDatabase();
  const options = {
    stagingConn: db.url,
    stagingSchema: `${db.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    pool: {
      idleTimeMs: 60_000,
      jitterTimeMs: 15_000,
      maxLifetimeMs: 300_000,
      maxPoolSize: 8,
    },
  };
  return {
    open: () => openStaging(options),
    openBeside: () => openStaging({ ...options, exclusive: false }),
    setVersion: () => Promise.reject(new Error('not here')),
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

registerFeedMemoryContract('the PostgreSQL store', database, 30);
