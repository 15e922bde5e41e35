/** A load balancer on loopback: every request goes to the next address. */
import { once } from 'node:events';
import {
  Agent,
  createServer,
  request,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RoundRobin extends AsyncDisposable {
  readonly port: number;
  /** Requests answered by the address at each place, whatever was said. */
  readonly answeredCounts: readonly number[];
}

/** An address that fails is left out for so long, as after a failed health check. */
const outMs = 2_000;

/**
 * Whoever does not answer within `timeoutMs` has failed, and the sender hears
 * 502: the request may have been taken all the same.
 */
export async function startRoundRobin(
  ports: readonly number[],
  timeoutMs = 1_000,
): Promise<RoundRobin> {
  const agent = new Agent({ keepAlive: true });
  const answeredCounts = ports.map(() => 0);
  const outUntilMs = ports.map(() => 0);
  let turn = 0;

  function choose(): number {
    for (let tries = 0; tries < ports.length; tries += 1) {
      turn = (turn + 1) % ports.length;
      if (outUntilMs[turn]! <= performance.now()) {
        return turn;
      }
    }
    turn = (turn + 1) % ports.length;
    return turn;
  }

  function forward(incoming: IncomingMessage, reply: ServerResponse): void {
    const place = choose();
    const outgoing = request({
      host: '127.0.0.1',
      port: ports[place]!,
      path: incoming.url,
      method: incoming.method,
      headers: incoming.headers,
      agent,
      timeout: timeoutMs,
    });
    const fail = (): void => {
      outUntilMs[place] = performance.now() + outMs;
      outgoing.destroy();
      if (reply.headersSent) {
        reply.destroy();
      } else {
        reply.writeHead(502).end();
      }
    };
    outgoing.on('timeout', fail);
    outgoing.on('error', fail);
    outgoing.on('response', (answer) => {
      answeredCounts[place]! += 1;
      reply.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', fail);
      answer.pipe(reply);
    });
    incoming.on('error', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  const server = createServer(forward);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    answeredCounts,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
