import { openStaging } from '../../src/staging/open.ts';
import type { StagingPlace } from '../contract/staging-place.ts';
import { registerStagingStoreContract } from '../contract/staging-store.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

const pool = {
  idleTimeMs: 60_000,
  jitterTimeMs: 15_000,
  maxLifetimeMs: 300_000,
  maxPoolSize: 8,
};

async function database(): Promise<StagingPlace & { db: TestDatabase }> {
  const db = await testDatabase();
  const options = {
    stagingConn: db.url,
    stagingSchema: `${db.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    pool,
  };
  return {
    db,
    open: () => openStaging(options),
    openBeside: () => openStaging({ ...options, exclusive: false }),
    async setVersion(version) {
      await db.query('update staging.staging_version set version = $1', [
        version,
      ]);
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

registerStagingStoreContract('the PostgreSQL store', database);
