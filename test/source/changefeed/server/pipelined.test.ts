import { once } from 'node:events';
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { createSelfSigned } from '../../../../src/lib/certificates.ts';
import { askCallers } from '../../../../src/source/changefeed/callers/ask-callers.ts';
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { dial } from './raw-talk.ts';
import { body, serve, waitUntil } from './served.ts';

const head = (caller: string, length = body.length): string =>
  `POST /db/public HTTP/1.1\r\nhost: x\r\nx-caller: ${caller}\r\ncontent-length: ${length}\r\n\r\n`;

test('requests that wait behind another one on their connection are given back when it is cut', async () => {
  const { feed, port, server } = await serve();
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const { socket, closed } = dial(port);
  // The last one never ends.
  socket.write(
    `${head('a')}${body}${head('a')}${body}${head('a', 100)}${body.slice(0, 9)}`,
  );
  await waitUntil(() => server.inFlightCount === 3);
  socket.destroy();
  await closed;
  await expect.poll(() => server.inFlightCount, { timeout: 30_000 }).toBe(0);
  gate.resolve();
  await expect.poll(() => server.heldBytes, { timeout: 30_000 }).toBe(0);
  await server.drain();
});

test.each(['HTTP/1.1', 'HTTP/2'])(
  'requests over %s whose caller goes while it is looked at leave nothing open',
  async (version) => {
    const gate = Promise.withResolvers<void>();
    let askedCount = 0;
    const gone: Promise<unknown>[] = [];
    const callers = askCallers({
      async token({ socket }) {
        askedCount += 1;
        gone.push(once(socket, 'close'));
        await gate.promise;
        return { name: 'good', requireSchema() {} };
      },
    });
    const { cert, key } = await createSelfSigned();
    const refusals: string[] = [];
    const { port, server } = await serve(
      { callers, tls: version === 'HTTP/2' ? { cert, key, ca: null } : null },
      {},
      (failure) => refusals.push(failure.message),
    );
    if (version === 'HTTP/2') {
      const session = http2.connect(`https://127.0.0.1:${port}`, { ca: cert });
      session.on('error', () => {});
      for (let count = 0; count < 3; count += 1) {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/db/public',
        });
        stream.on('error', () => {});
        stream.write(body);
      }
      await waitUntil(() => askedCount === 3);
      session.destroy();
    } else {
      const { socket } = dial(port);
      socket.write(`${head('a')}${body}`.repeat(3));
      await waitUntil(() => askedCount === 3);
      socket.destroy();
    }
    await Promise.all(gone);
    gate.resolve();
    await waitUntil(() => refusals.length === 3);
    expect(new Set(refusals)).toEqual(new Set(['the caller has gone']));
    expect([server.inFlightCount, server.heldBytes]).toEqual([0, 0]);
    await server.drain();
  },
);

test('each request of a connection is judged by itself, whoever came before it', async () => {
  const callers = askCallers({
    async token({ headers }) {
      if (headers['x-caller'] !== 'good') {
        throw new ReplicatorError('E1023');
      }
      return { name: 'good', requireSchema() {} };
    },
  });
  const { feed, port } = await serve({ callers });
  const { socket, heard } = dial(port);
  socket.write(
    ['good', 'bad', 'good', 'bad']
      .map((caller) => `${head(caller)}${body}`)
      .join(''),
  );
  await expect
    .poll(() => heard().match(/HTTP\/1\.1 \d+/g), { timeout: 30_000 })
    .toEqual([200, 401, 200, 401].map((status) => `HTTP/1.1 ${status}`));
  expect(feed.rowCount).toBe(2);
  socket.destroy();
});
