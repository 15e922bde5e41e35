import type http from 'node:http';
import type http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import {
  beginConnection,
  type ConnectionState,
} from '../callers/connection.ts';

export type Handler = (
  request: http.IncomingMessage,
  reply: http.ServerResponse,
) => void;

interface OpenConnection {
  readonly state: ConnectionState;
  /** Of HTTP/1.1 requests that are not answered to their end: one, mostly. */
  readonly replies: http.ServerResponse[];
}

/**
 * The connections of one listener, and how they end. A TLS connection is
 * `opened` by TCP, `secured` by its handshake, and `joined` when it turns out
 * to speak HTTP/2.
 */
export class OpenConnections {
  readonly #sockets = new Set<Socket>();
  /** In the midst of a handshake, by the two ends: see {@link endsOf}. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #secured = new Map<Socket, OpenConnection>();
  readonly #sessions = new Set<http2.ServerHttp2Session>();

  opened(socket: Socket, isSecure: boolean): void {
    this.#sockets.add(socket);
    const ends = isSecure ? endsOf(socket) : '';
    if (isSecure) {
      this.#handshakes.set(ends, socket);
    }
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#handshakes.get(ends) === socket) {
        this.#handshakes.delete(ends);
      }
    });
  }

  secured(socket: Socket): void {
    // A second handshake: see secure-context.ts.
    if (this.#secured.has(socket)) {
      socket.destroy();
      return;
    }
    this.#handshakes.delete(endsOf(socket));
    this.#secured.set(socket, {
      state: beginConnection(socket),
      replies: [],
    });
    socket.on('close', () => this.#secured.delete(socket));
  }

  joined(session: http2.ServerHttp2Session): void {
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    session.on('error', () => {});
  }

  /** Knows what HTTP/1.1 has not answered; HTTP/2 knows that by itself. */
  watched(handler: Handler): Handler {
    return (request, reply) => {
      const open =
        request.httpVersionMajor === 1
          ? this.#secured.get(request.socket)
          : undefined;
      if (open) {
        open.replies.push(reply);
        reply.once('close', () => {
          open.replies.splice(open.replies.indexOf(reply), 1);
          if (open.state.isOutdated && open.replies.length === 0) {
            request.socket.destroySoon();
          }
        });
      }
      handler(request, reply);
    };
  }

  /** Tells HTTP/2 peers to ask elsewhere; what is under way ends. */
  goAway(): void {
    for (const session of this.#sessions) {
      session.close();
    }
  }

  /** See Transport.judgeAgain. */
  judgeAgain(): void {
    // Their handshake began with what is not trusted any more.
    for (const socket of this.#handshakes.values()) {
      socket.destroy();
    }
    for (const [socket, { state, replies }] of this.#secured) {
      state.isOutdated = true;
      const isHttp2 = (socket as TLSSocket).alpnProtocol === 'h2';
      if (!isHttp2 && replies.length === 0) {
        socket.destroySoon();
      }
      for (const reply of replies) {
        reply.shouldKeepAlive = false;
      }
    }
    this.goAway();
  }

  /** Ends every connection, whatever it is doing. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }
}

/** Alike for a TLS socket and the TCP socket beneath it. */
function endsOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}
