/** A TCP proxy on loopback that fails on command, in front of any server. */
import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** The same address, through the proxy. */
  url(address: string): string;
  /** How many client connections are open now. */
  readonly connectionCount: number;
  /** RST to both ends of every open connection; new ones are served. */
  cut(): void;
  /** New connections are refused; open ones live on. */
  refuse(): Promise<void>;
  /**
   * Half-open: nothing is forwarded either way and nothing is closed. New
   * connections are accepted and say nothing. Given `match`, only a
   * connection that sends what it says yes to is held, from that chunk on.
   */
  hold(match?: (chunk: Buffer) => boolean): void;
  /** Whether anything is on its way to the server that is held. */
  readonly isHolding: boolean;
  slow(pace: Pace): void;
  /**
   * "Wrote it but lost the answer", once: the first connection to send a chunk
   * that `match` says yes to, or so many bytes from now on, has that forwarded
   * and every later answer swallowed; when the server has answered and fallen
   * silent, it is cut. Resolves then.
   */
  dropAnswerAfter(match: ((chunk: Buffer) => boolean) | number): Promise<void>;
  /** Ends refuse, hold, slow and a drop that has not begun. */
  resume(): Promise<void>;
}

export interface Pace {
  /** Per connection and direction. */
  readonly bytesPerSecond?: number;
  /** Before each chunk. */
  readonly delayMs?: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  swallowing: boolean;
  answeredAtMs: number | undefined;
}

interface Way {
  readonly isForwarded: (chunk: Buffer) => boolean;
  /** What waits until it is forwarded. */
  readonly held: Set<Buffer>;
}

interface Drop {
  readonly match: (chunk: Buffer) => boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** Silence after an answer that counts as its end. */
const ANSWER_SILENCE_MS = 50;

export async function startFaultProxy(upstream: {
  readonly port: number;
  readonly host?: string;
}): Promise<FaultProxy> {
  const links = new Set<Link>();
  const held = new Set<Buffer>();
  let gate: PromiseWithResolvers<void> | undefined;
  let isHeld: (chunk: Buffer) => boolean = () => true;
  let pace: Pace = {};
  let drop: Drop | undefined;

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({
      port: upstream.port,
      host: upstream.host ?? '127.0.0.1',
      allowHalfOpen: true,
    });
    client.setNoDelay(true);
    server.setNoDelay(true);
    const link: Link = {
      client,
      server,
      swallowing: false,
      answeredAtMs: undefined,
    };
    links.add(link);
    const finished = Promise.all([
      pump(client, server, {
        isForwarded: (chunk) => onRequest(link, chunk),
        held,
      }),
      pump(server, client, {
        isForwarded: () => onAnswer(link),
        held: new Set(),
      }),
    ]);
    void finished.then(() => {
      client.destroy();
      server.destroy();
      links.delete(link);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;

  async function passGate(piece: Buffer, waiting: Set<Buffer>): Promise<void> {
    if (gate && isHeld(piece)) {
      waiting.add(piece);
      await gate.promise;
      waiting.delete(piece);
    }
  }

  async function pump(
    from: Socket,
    to: Socket,
    { isForwarded, held: waiting }: Way,
  ): Promise<void> {
    // A reset may come while nobody reads or writes.
    from.on('error', () => {});
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        for (const piece of pieces(chunk, pace)) {
          await passGate(piece, waiting);
          await pause(piece.length, pace);
          await passGate(piece, waiting);
          if (!isForwarded(piece)) continue;
          if (!to.write(piece)) await once(to, 'drain');
        }
      }
      to.end();
    } catch {
      reset(from, to);
    }
  }

  function onRequest(link: Link, chunk: Buffer): boolean {
    if (drop?.match(chunk) === true) {
      link.swallowing = true;
      void cutAfterAnswer(link, drop);
      drop = undefined;
    }
    return true;
  }

  function onAnswer(link: Link): boolean {
    link.answeredAtMs = Date.now();
    return !link.swallowing;
  }

  async function cutAfterAnswer(link: Link, { done }: Drop): Promise<void> {
    link.answeredAtMs = undefined;
    const isOver = (): boolean =>
      link.answeredAtMs !== undefined &&
      Date.now() - link.answeredAtMs > ANSWER_SILENCE_MS;
    while (!link.server.destroyed && !isOver()) await sleep(5);
    reset(link.client, link.server);
    done.resolve();
  }

  const proxy: FaultProxy = {
    port,
    get connectionCount() {
      return links.size;
    },
    url(address) {
      const url = new URL(address);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    cut() {
      for (const { client, server } of links) reset(client, server);
    },
    async refuse() {
      if (!listener.listening) return;
      // Its callback would wait for open connections; the port closes now.
      listener.close();
      await new Promise(setImmediate);
    },
    hold(match = () => true) {
      isHeld = match;
      gate ??= Promise.withResolvers<void>();
    },
    get isHolding() {
      return held.size > 0;
    },
    slow(next) {
      pace = next;
    },
    dropAnswerAfter(match) {
      const done = Promise.withResolvers<void>();
      let total = 0;
      drop = {
        done,
        match:
          typeof match === 'function'
            ? match
            : (chunk) => (total += chunk.length) >= match,
      };
      return done.promise;
    },
    async resume() {
      gate?.resolve();
      gate = undefined;
      pace = {};
      drop = undefined;
      if (!listener.listening) {
        listener.listen(port, '127.0.0.1');
        await once(listener, 'listening');
      }
    },
    async [Symbol.asyncDispose]() {
      gate?.resolve();
      proxy.cut();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
  return proxy;
}

function reset(...sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    if (!socket.destroyed) socket.resetAndDestroy();
  }
}

function* pieces(chunk: Buffer, { bytesPerSecond }: Pace): Generator<Buffer> {
  // Twenty steps a second: slow, but never silent for long.
  const step =
    bytesPerSecond === undefined
      ? chunk.length
      : Math.max(1, Math.floor(bytesPerSecond / 20));
  for (let start = 0; start < chunk.length; start += step) {
    yield chunk.subarray(start, start + step);
  }
}

async function pause(
  byteCount: number,
  { bytesPerSecond, delayMs = 0 }: Pace,
): Promise<void> {
  const transferMs =
    bytesPerSecond === undefined ? 0 : (byteCount / bytesPerSecond) * 1000;
  if (delayMs + transferMs > 0) await sleep(delayMs + transferMs);
}
