import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { peakMiB } from '../support/peak-memory.ts';
import { openStage, row } from '../support/stage.ts';

test('requests that inflate to far more than they weigh stay within a few times --memoryLimit', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start(['--memoryLimit=128MiB']);
  await stage.rows(row('t', 1, [1], { id: 1, v: 'a' }));
  const body = gzipSync(
    JSON.stringify({
      payload: [row('t', 2, [2], { id: 2, v: `é${'x'.repeat(40 << 20)}` })],
    }),
  );
  const url = `${stage.daemon.url}/${stage.database.name}/public`;
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-encoding': 'gzip' },
        body,
      });
      // 200 or, where there is no room at the moment, 503.
      expect([200, 503]).toContain(response.status);
      await response.arrayBuffer();
    }),
  );
  expect(peakMiB(stage.daemon.pid)).toBeLessThan(4 * 128 + 256);
});

test('chunked bodies, which do not tell their size, stay within a few times --memoryLimit', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start(['--memoryLimit=64MiB']);
  const url = `${stage.daemon.url}/${stage.database.name}/public`;
  const chunk = Buffer.alloc(30 << 20, ' ');
  const statuses = await Promise.all(
    Array.from({ length: 30 }, () => postChunked(url, chunk)),
  );
  expect(statuses).toContain(200);
  expect(peakMiB(stage.daemon.pid)).toBeLessThan(4 * 64 + 256);
});

/** The status; null for an upload that was refused and cut off on the way. */
async function postChunked(url: string, chunk: Buffer): Promise<number | null> {
  const sent = request(url, { method: 'POST' });
  const answer = new Promise<number | null>((resolve) => {
    sent.on('response', (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    sent.on('error', () => resolve(null));
  });
  sent.write(chunk, () => setTimeout(() => sent.end(), 1_000));
  return await answer;
}
