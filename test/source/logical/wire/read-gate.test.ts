import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ReadGate } from '../../../../src/source/logical/wire/read-gate.ts';

test('what comes while the gate is shut is read by the handful when it opens', async () => {
  await using stack = new AsyncDisposableStack();
  const server = createServer();
  stack.defer(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  stack.defer(() => void client.destroy());
  const [sender] = await accepted;
  stack.defer(() => void sender.destroy());
  sender.setNoDelay(true);
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => sender.write(text, () => resolve()));

  await send('first');
  await expect.poll(() => chunks.length).toBe(1);
  const gate = new ReadGate(client);
  gate.shut();
  for (let packet = 0; packet < 100; packet += 1) {
    await send(`packet ${packet};`);
  }
  expect(chunks).toHaveLength(1);

  gate.open();
  await expect
    .poll(() => Buffer.concat(chunks).toString().split(';').length)
    .toBe(101);
  expect(chunks.length).toBeLessThan(10);
  gate.open();
  await send('last');
  await expect.poll(() => chunks.at(-1)!.toString()).toBe('last');
});
