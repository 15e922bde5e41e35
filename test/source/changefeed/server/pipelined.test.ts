import { expect, test } from 'vitest';
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
