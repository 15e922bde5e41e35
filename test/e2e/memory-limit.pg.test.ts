import { connect, type Socket } from 'node:net';
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
    Array.from({ length: 14 }, async () => {
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

test('thousands of silent, slow, broken and refused callers leave memory flat, and rows still arrive', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start(['--memoryLimit=64MiB', '--headerTimeout=3s']);
  const { hostname, port } = new URL(stage.daemon.url);
  const head = `POST /${stage.database.name}/public HTTP/1.1\r\nhost: x\r\n`;
  const attacks = [
    '',
    head,
    `${head}content-length: 20000000\r\n\r\n{`,
    `${head}content-length: 1\r\ncontent-length: 2\r\n\r\n`,
    `${head}x: ${'a'.repeat(60_000)}`,
    `${head}content-length: 99999999999\r\n\r\n${' '.repeat(60_000)}`,
    'nonsense\r\n\r\n',
  ];
  const sockets: Socket[] = [];
  for (let round = 1; round <= 4; round += 1) {
    const calm = attacks.flatMap((attack) =>
      Array.from({ length: 60 }, () => {
        const socket = connect(Number(port), hostname);
        socket.on('error', () => {});
        socket.resume();
        socket.write(attack);
        return socket;
      }),
    );
    sockets.push(...calm);
    // Again, where there was no room for it beside bodies that never come.
    await expect
      .poll(() =>
        stage
          .rows(row('t', round, [round], { id: round, v: 'a' }))
          .then(({ status }) => status),
      )
      .toBe(200);
  }
  expect(peakMiB(stage.daemon.pid)).toBeLessThan(4 * 64 + 256);
  sockets.forEach((socket) => socket.destroy());
});
