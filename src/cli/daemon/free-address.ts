import { once } from 'node:events';
import { createServer } from 'node:net';

import type { ListenAddress } from '../../config/listen-address.ts';
import { ReplicatorError } from '../../failure/failure.ts';

/**
 * Throws E5006 where the address cannot be listened on. Asked before the
 * stores are opened: a daemon that is started a second time by mistake must
 * not take the target schemas over from the first, only to end then.
 */
export async function requireFreeAddress(
  { host, port }: ListenAddress,
  option: 'bindAddr' | 'metricsAddr',
): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, host === '' ? '::' : host);
    await once(server, 'listening');
  } catch (error) {
    throw new ReplicatorError('E5006', {
      detail: `cannot listen on --${option} ${host}:${port} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      cause: error,
    });
  }
  server.close();
  await once(server, 'close');
}
