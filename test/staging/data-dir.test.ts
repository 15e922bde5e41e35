import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';

test('what is staged lies in a folder that no other user enters', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'data-dir-'));
  try {
    const dataDir = join(parent, 'data');
    await using _store = openSqliteStore({ dataDir, exclusive: true });
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
  } finally {
    await rm(parent, { recursive: true });
  }
});
