import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/staging/sqlite/database.ts';
import { openLogFile } from '../../src/staging/sqlite/log-file.ts';
import { openTotals } from '../../src/staging/sqlite/totals.ts';
import { openTurns } from '../../src/staging/sqlite/turns.ts';

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'log-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A store whose disk answers when the test says so. */
function openOnDisk(folder: string) {
  const opened = openDatabase({ dataDir: folder, exclusive: true });
  const syncs: PromiseWithResolvers<void>[] = [];
  const logFile = openLogFile(opened.path, () => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise;
  });
  const { database } = opened;
  const turns = openTurns({ ...opened, logFile }, openTotals(database));
  const insert = database.prepare('insert into memo values (?, ?)');
  const select = database.prepare('select name from memo order by name');
  return {
    syncs,
    write: (name: string, onWritten?: () => void) =>
      turns.together(undefined, 1, () => insert.run(name, name), onWritten),
    writeAlone: (name: string) =>
      turns.now(undefined, () =>
        turns.transaction(() => insert.run(name, name)),
      ),
    names: () =>
      turns.now(undefined, () => select.all().map((row) => row['name'])),
    async close() {
      await turns.close();
      opened.resources.dispose();
    },
  };
}

test('nothing is acknowledged, and nothing read, before it is on disk', async () => {
  const store = openOnDisk(freshFolder());
  const events: string[] = [];
  const told = (name: string) => () => void events.push(name);
  const first = store.write('a', told('a is written')).then(told('a'));
  await expect.poll(() => store.syncs.length).toBe(1);
  expect(events.splice(0)).toEqual(['a is written']);
  const later = [
    store.write('b').then(told('b')),
    store.names().then((names) => events.push(`read ${names.join()}`)),
    store.writeAlone('c').then(told('c')),
    store.names().then((names) => events.push(`read ${names.join()}`)),
  ];
  await sleep(50);
  expect([events, store.syncs.length]).toEqual([[], 1]);
  store.syncs[0]!.resolve();
  await first;
  expect(events[0]).toBe('a');
  // One waiter after the other writes; each waits for a sync of its own.
  for (let count = 2; count <= 3; count += 1) {
    await expect.poll(() => store.syncs.length).toBe(count);
    const before = events.length;
    await sleep(20);
    expect(events.length).toBe(before);
    store.syncs[count - 1]!.resolve();
  }
  await Promise.all(later);
  expect(events).toEqual(expect.arrayContaining(['a', 'b', 'c']));
  expect(await store.names()).toEqual(['a', 'b', 'c']);
  await store.close();
});

test('after a failure of the disk nothing is acknowledged until the store is opened anew', async () => {
  const folder = freshFolder();
  const store = openOnDisk(folder);
  const failed = Promise.allSettled([store.write('a'), store.write('b')]);
  await expect.poll(() => store.syncs.length).toBe(1);
  const waiting = Promise.allSettled([
    store.names(),
    store.write('c', () => expect.fail('written behind a broken disk')),
  ]);
  store.syncs[0]!.reject(new Error('EIO: i/o error, fdatasync'));
  for (const outcome of [...(await failed), ...(await waiting)]) {
    expect(outcome).toMatchObject({ reason: { code: 'E2007' } });
  }
  await expect(store.write('d')).rejects.toThrow('EIO: i/o error');
  await expect(store.names()).rejects.toMatchObject({
    remedy: expect.stringContaining('restart the daemon') as unknown,
  });
  expect(store.syncs.length).toBe(1);
  await store.close();

  const again = openOnDisk(folder);
  const names = again.names();
  // What the log file holds was written, if not acknowledged; once, not twice.
  expect(await names).toEqual(['a', 'b']);
  await again.close();
});

test('what was killed between a commit and the disk is brought there before anybody reads', async () => {
  const folder = freshFolder();
  const opened = openDatabase({ dataDir: folder, exclusive: true });
  expect(opened.logFile.isBehind).toBe(true);
  await opened.logFile.onDisk();
  expect(opened.logFile.isBehind).toBe(false);
  await opened.logFile.close();
  opened.resources.dispose();
});
