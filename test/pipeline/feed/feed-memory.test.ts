import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import { registerFeedMemoryContract } from '../../contract/feed-memory.ts';
import type { StagingPlace } from '../../contract/staging-place.ts';

async function folder(): Promise<StagingPlace> {
  const parent = await mkdtemp(join(tmpdir(), 'replicator-memory-'));
  const dataDir = join(parent, 'data');
  return {
    open: async () => openSqliteStore({ dataDir, exclusive: true }),
    openBeside: async () => openSqliteStore({ dataDir, exclusive: false }),
    setVersion: () => Promise.reject(new Error('not here')),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  };
}

registerFeedMemoryContract('the SQLite store', folder, 150);
