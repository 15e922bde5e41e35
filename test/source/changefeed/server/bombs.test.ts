import { gzipSync, zstdCompressSync, constants } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { body, post, row, serve, waitUntil } from './served.ts';

const gzipped = (content: string | Buffer): Buffer<ArrayBuffer> =>
  gzipSync(content) as Buffer<ArrayBuffer>;

describe.each([
  ['gzip', gzipSync(Buffer.alloc(64 << 20, ' '))],
  ['zstd', zstdCompressSync(Buffer.alloc(64 << 20, ' '))],
])('a %s bomb', (encoding, bomb) => {
  test('is inflated no further than --maxInflatedBytes, side by side with others', async () => {
    const { feed, server, port } = await serve();
    expect(bomb.length).toBeLessThan(100_000);
    const before = process.memoryUsage().rss;
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        index % 10 === 0
          ? post(port, '/db/public', body)
          : post(port, '/db/public', bomb as Buffer<ArrayBuffer>, {
              'content-encoding': encoding,
            }),
      ),
    );
    replies.forEach(({ status, text }, index) => {
      expect(status).toBe(index % 10 === 0 ? 200 : 413);
      expect(text).toMatch(index % 10 === 0 ? /^OK/ : /^E1006 /);
    });
    expect(feed.rowCount).toBe(4);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
    await waitUntil(() => server.heldBytes === 0);
  });
});

test('a bomb within a bomb is inflated once, and is no JSON then', async () => {
  const { feed, port } = await serve();
  const reply = await post(
    port,
    '/db/public',
    gzipped(gzipSync(Buffer.alloc(1 << 20, ' '))),
    { 'content-encoding': 'gzip' },
  );
  expect(reply.text).toMatch(/^E100[12] /);
  expect(feed.accepted).toEqual([]);
});

test('thousands of members that hold nothing are one empty body, or a request', async () => {
  const { feed, port } = await serve();
  const nothing = gzipSync('');
  const members = (last: Buffer): Buffer<ArrayBuffer> =>
    Buffer.concat([...Array.from({ length: 4_000 }, () => nothing), last]);
  for (const [last, rowCount] of [
    [nothing, 0],
    [gzipSync(body), 1],
  ] as const) {
    const reply = await post(port, '/db/public', members(last), {
      'content-encoding': 'gzip',
    });
    expect(reply.status).toBe(200);
    expect(feed.rowCount).toBe(rowCount);
  }
});

test('a zstd frame that wants more memory than any encoder of a changefeed is refused', async () => {
  const { feed, port } = await serve();
  const framed = (windowLog: number): Buffer<ArrayBuffer> => {
    const frame = zstdCompressSync(Buffer.from(body), {
      params: {
        [constants.ZSTD_c_windowLog]: 20,
        [constants.ZSTD_c_contentSizeFlag]: 0,
        [constants.ZSTD_c_checksumFlag]: 0,
      },
    });
    // Without its size at hand the frame is not of one piece: say the window.
    expect(frame[4]! & 0x20).toBe(0);
    frame[5] = (windowLog - 10) << 3;
    return frame as Buffer<ArrayBuffer>;
  };
  const sent = async (windowLog: number) =>
    await post(port, '/db/public', framed(windowLog), {
      'content-encoding': 'zstd',
    });
  expect((await sent(25)).status).toBe(200);
  for (const windowLog of [26, 27, 31, 41]) {
    expect(await sent(windowLog)).toMatchObject({ status: 400 });
  }
  expect(feed.rowCount).toBe(1);
});

describe('what is small as text and large in memory is refused', () => {
  test('more rows than --maxRowsPerRequest', async () => {
    const { feed, port } = await serve({}, { maxRows: 3 });
    const rows = (count: number): string =>
      JSON.stringify({ payload: Array.from({ length: count }, () => row) });
    expect((await post(port, '/db/public', rows(3))).status).toBe(200);
    const reply = await post(port, '/db/public', rows(4));
    expect(reply.status).toBe(413);
    expect(reply.text).toMatch(/^E1031 .+--maxRowsPerRequest\n$/);
    expect(feed.rowCount).toBe(3);
  });

  test('more rows in a file', async () => {
    const { feed, port } = await serve({}, { maxRows: 3 });
    const file =
      '/db/public/2020-04-05/202004051702551234567890000000012-5-1-72-0-account-1.ndjson';
    const line = `${JSON.stringify(row)}\n`;
    expect((await post(port, file, line.repeat(4))).text).toMatch(/^E1031 /);
    expect((await post(port, file, line.repeat(3))).status).toBe(200);
    expect(feed.rowCount).toBe(3);
  });

  test.each([
    [
      'wrapped',
      (columns: string) =>
        `{"payload":[{"after":{"id":1,${columns}},"key":[1],"topic":"account","updated":"1700000000000000000.0000000001"}]}`,
    ],
    [
      'bare',
      (columns: string) =>
        `{"payload":[{"id":1,${columns},"__crdb__":{"topic":"account","updated":"1700000000000000000.0000000001"}}]}`,
    ],
  ])('a row of a million columns (%s)', async (_envelope, bodyOf) => {
    const { feed, port } = await serve({}, { maxBodyBytes: 1 << 26 });
    const columns = Array.from({ length: 1_000_000 }, (_, at) => `"c${at}":1`);
    const reply = await post(port, '/db/public', bodyOf(columns.join()));
    expect(reply.text).toMatch(/^E1031 /);
    expect(reply.status).toBe(413);
    expect(feed.accepted).toEqual([]);
  });

  test('a key of a million elements', async () => {
    const { feed, port } = await serve({}, { maxBodyBytes: 1 << 26 });
    const reply = await post(
      port,
      '/db/public',
      body.replace(
        '[1]',
        `[${Array.from({ length: 1_000_000 }, () => 12).join()}]`,
      ),
    );
    expect(reply.text).toMatch(/^E1017 /);
    expect(feed.accepted).toEqual([]);
  });

  test.each([
    ['topic', body.replace('account', 'a'.repeat(90_000)), /^E1015 /],
    ['column', body.replace('name', 'a'.repeat(90_000)), /^E1016 /],
  ])('a %s of any length, in the reply', async (_what, content, code) => {
    const { port } = await serve();
    const { text } = await post(port, '/db/public', content);
    expect(text).toMatch(code);
    expect(text.length).toBeLessThan(1_000);
  });

  test('the highest --maxJsonDepth that can be had is not too deep for the stack', async () => {
    const { feed, port } = await serve({}, { maxJsonDepth: 1_000 });
    for (const nested of [
      `${'['.repeat(990)}${']'.repeat(990)}`,
      `${'{"a":'.repeat(990)}1${'}'.repeat(990)}`,
    ]) {
      const deep = body.replace('"a"', nested);
      expect((await post(port, '/db/public', deep)).status).toBe(200);
      const deeper = body.replace(
        '"a"',
        nested.replace(/[1\]]/, '[[[[[[[[[1]]]]]]]]]$&').replace(']1', ']'),
      );
      expect((await post(port, '/db/public', deeper)).status).toBe(400);
    }
    expect(feed.rowCount).toBe(2);
  });
});
