import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decodeEntry } from '../../src/staging/batch-codec.ts';
import { migrate, schemaVersion } from '../../src/staging/sqlite/schema.ts';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';
import {
  at,
  entriesOf,
  readAll,
  row,
  schema,
  type StagingPlace,
} from '../contract/staging-place.ts';
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

const childPath = fileURLToPath(new URL('appending-child.ts', import.meta.url));

/** Runs the appending child, ends it by `stop`, and returns what it printed. */
async function runChild(
  command: readonly [string, ...string[]],
  stop: (kill: () => void, lineCount: number) => void,
): Promise<string[]> {
  const child = spawn(command[0], command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    output += chunk;
    stop(() => child.kill('SIGKILL'), output.split('\n').length - 1);
  });
  await once(child, 'close');
  // A line that the kill cut in two was not read by anyone.
  return output.split('\n').slice(0, -1);
}

describe('a process that is killed', () => {
  test('in the middle of appends has lost nothing it acknowledged', async () => {
    await using here = await folder();
    const acknowledged: string[] = [];
    for (let round = 0; round < 20; round++) {
      const enough = 1 + ((round * 7) % 40);
      const lines = await runChild(
        [process.execPath, childPath, here.dataDir, String(round)],
        (kill, lineCount) => {
          if (lineCount >= enough) {
            kill();
          }
        },
      );
      expect(lines.length).toBeGreaterThanOrEqual(enough);
      acknowledged.push(...lines);
    }
    await using store = await here.open();
    const rowsByCall = new Map<string, number>();
    for (const mutation of (await readAll(store)).flatMap(decodeEntry)) {
      const call = mutation.key.slice(2, mutation.key.lastIndexOf('-'));
      rowsByCall.set(call, (rowsByCall.get(call) ?? 0) + 1);
    }
    expect(acknowledged.filter((call) => rowsByCall.get(call) !== 10)).toEqual(
      [],
    );
    // What was not acknowledged is there whole or not at all.
    expect([...rowsByCall.values()].every((count) => count === 10)).toBe(true);
  });

  test('gives the data directory free', async () => {
    await using here = await folder();
    await runChild([process.execPath, childPath, here.dataDir, '0'], (kill) =>
      kill(),
    );
    await using store = await here.open();
    await store.ping();
  });
});

test('a disk that is full refuses with E2007, and what was acknowledged stays', async () => {
  await using here = await folder();
  // The limit is in blocks of 512 or 1024 bytes; Node ignores SIGXFSZ.
  const lines = await runChild(
    [
      '/bin/sh',
      '-c',
      `ulimit -f 4000; exec "$0" "$@"`,
      process.execPath,
      childPath,
      here.dataDir,
      '0',
    ],
    () => {},
  );
  const failed = lines.filter((line) => line.startsWith('failed'));
  expect(new Set(failed)).toEqual(new Set(['failed E2007']));
  expect(failed).toHaveLength(4);
  const acknowledged = lines.filter((line) => !line.startsWith('failed'));
  expect(acknowledged.length).toBeGreaterThan(10);
  await using store = await here.open();
  const found = new Set<string>(
    (await readAll(store)).flatMap(decodeEntry).map((mutation) => mutation.key),
  );
  expect(acknowledged.filter((call) => !found.has(`["${call}-9"]`))).toEqual(
    [],
  );
});

describe('the data directory', () => {
  test('admits one daemon at a time', async () => {
    await using here = await folder();
    {
      await using first = await here.open();
      await expect(here.open()).rejects.toMatchObject({
        code: 'E2005',
        message: `another replicator uses the data directory ${here.dataDir}`,
      });
      await first.ping();
    }
    await using second = await here.open();
    await second.ping();
  });

  test('and its files are for their owner alone', async () => {
    await using here = await folder();
    await using store = await here.open();
    await store.append(entriesOf(row(at(1), 'a')));
    const mode = async (name: string): Promise<string> =>
      ((await stat(join(here.dataDir, name))).mode & 0o777).toString(8);
    expect(await mode('.')).toBe('700');
    for (const name of [
      'staging.db',
      'staging.db-wal',
      'staging.db-shm',
      'staging.lock',
    ]) {
      expect([name, await mode(name)]).toEqual([name, '600']);
    }
  });

  test('that cannot be is named', async () => {
    await using here = await folder();
    const open = async (dataDir: string): Promise<string> => {
      try {
        await using _store = openSqliteStore({ dataDir, exclusive: true });
        return 'opened';
      } catch (error) {
        return `${(error as { code: string }).code} ${(error as Error).message}`;
      }
    };
    const parent = join(here.dataDir, '..');
    const missing = join(parent, 'no', 'such');
    expect(await open(missing)).toBe(
      `E5009 the data directory ${missing} cannot be made: ${join(parent, 'no')} does not exist`,
    );
    const file = join(parent, 'file');
    await writeFile(file, '');
    expect(await open(file)).toBe(
      `E5009 the data directory ${file} is not a directory`,
    );
    expect(await open(join(file, 'below'))).toMatch(/^E5009 .*ENOTDIR$/);
    if (process.getuid?.() !== 0) {
      await chmod(parent, 0o500);
      expect(await open(here.dataDir)).toMatch(/^E5009 .*EACCES$/);
      await chmod(parent, 0o700);
    }
  });

  test('with a file that is no database halts', async () => {
    await using here = await folder();
    await (await here.open())[Symbol.asyncDispose]();
    await writeFile(
      join(here.dataDir, 'staging.db'),
      'not a database, but long enough'.repeat(50),
    );
    await expect(here.open()).rejects.toMatchObject({
      code: 'E2006',
      disposition: 'halt',
    });
  });
});

test('space of retired entries is used again', async () => {
  await using here = await folder();
  await using store = await here.open();
  await store.commitApplied(schema, at(99), true);
  const filler = `"${'x'.repeat(100_000)}"`;
  const fill = async (): Promise<number> => {
    for (let i = 0; i < 30; i++) {
      await store.append(entriesOf(row(at(i), 'a', filler)));
    }
    const { liveBytes } = await store.size();
    while ((await store.retire(schema, at(99), 7)) > 0);
    return liveBytes;
  };
  const first = await fill();
  expect(first).toBeGreaterThan(3_000_000);
  expect((await store.size()).liveBytes).toBeLessThan(100_000);
  await fill();
  const third = await fill();
  expect(third).toBeLessThan(first * 1.1);
  await store[Symbol.asyncDispose]();
  expect((await stat(join(here.dataDir, 'staging.db'))).size).toBeLessThan(
    first * 1.5,
  );
});

describe('migrations', () => {
  const first = ['create table a (x integer) strict; insert into a values (1)'];
  const second = [
    ...first,
    'alter table a add column y integer; update a set y = x + 1',
  ];

  test('an older file is brought up to date, with what is in it', () => {
    using database = new DatabaseSync(':memory:');
    migrate(database, first);
    expect(schemaVersion(database)).toBe(1);
    migrate(database, second);
    migrate(database, second);
    expect(schemaVersion(database)).toBe(2);
    expect(database.prepare('select x, y from a').all()).toEqual([
      { x: 1, y: 2 },
    ]);
  });

  test('a step that fails leaves the file as it was', () => {
    using database = new DatabaseSync(':memory:');
    migrate(database, first);
    expect(() => migrate(database, [...second, 'no sql'])).toThrow(
      'syntax error',
    );
    expect(schemaVersion(database)).toBe(1);
    expect(database.prepare('select * from a').all()).toEqual([{ x: 1 }]);
  });
});
