import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';
import type { StagingPlace } from '../contract/staging-place.ts';
import { registerStagingStoreContract } from '../contract/staging-store.ts';

async function folder(): Promise<StagingPlace & { dataDir: string }> {
  const parent = await mkdtemp(join(tmpdir(), 'replicator-staging-'));
  const dataDir = join(parent, 'data');
  return {
    dataDir,
    open: async () => openSqliteStore({ dataDir, exclusive: true }),
    openBeside: async () => openSqliteStore({ dataDir, exclusive: false }),
    async setVersion(version) {
      const database = new DatabaseSync(join(dataDir, 'staging.db'));
      database.prepare('update schema_version set version = ?').run(version);
      database.close();
    },
    async [Symbol.asyncDispose]() {
      await rm(parent, { recursive: true });
    },
  };
}

registerStagingStoreContract('the SQLite store', folder);
