import type http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';

import { hasLostAuthority } from './certificate-check.ts';
import { ConnectionGate } from './connection-gate.ts';
import type { ConnectionRefusal, ListenerLimits } from './listener-limits.ts';
import { type Handler, OpenConnections } from './open-connections.ts';
import { secureContextOptions } from './secure-context.ts';
import type { TlsTexts } from './tls-files.ts';

/**
 * Not imported: that would read whatever it exports, of which one part loads
 * Node's client of HTTP, 20 ms of a start.
 */
const { createServer } = process.getBuiltinModule('node:http');

/** How long a connection may take over what. */
export interface TransportTimeouts {
  readonly headersMs: number;
  /** For the whole of a request, its body included. */
  readonly requestMs: number;
  /** Idle connections outlive the changefeed's own minute. */
  readonly keepAliveMs: number;
}

export const usualTimeouts: TransportTimeouts = {
  headersMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 75_000,
};

/** Per connection; Go's own server allows as many. */
const maxConcurrentStreams = 250;
/** A peer that vanished without a word is found out by TCP. */
const tcpKeepAliveMs = 30_000;

export interface TransportOptions {
  readonly tls: TlsTexts | null;
  readonly authenticate: boolean;
  readonly timeouts: TransportTimeouts;
  readonly limits: ListenerLimits;
  /** Between a body and its answer. */
  readonly responseTimeoutMs: number;
  /** Told of every connection that is closed for what it did. */
  readonly onRefused: (reason: ConnectionRefusal) => void;
}

export interface Transport {
  readonly server: http.Server;
  /**
   * New connections use these certificates; open ones go on, unless an
   * authority is gone that may have let them in: then see `judgeAgain`.
   */
  reloadTls(tls: TlsTexts): void;
  /**
   * Ends every TLS connection once what it has begun is answered, so that
   * its caller shows a certificate again.
   */
  judgeAgain(): void;
  /** Tells HTTP/2 peers to ask elsewhere; what is under way ends. */
  goAway(): void;
  /** Ends every connection, whatever it is doing. */
  cut(): void;
}

/** HTTP/1.1 and HTTP/2 (by ALPN) over TLS, HTTP/1.1 in clear. */
export function createTransport(
  options: TransportOptions,
  handler: Handler,
): Transport {
  const { tls, timeouts, onRefused } = options;
  const { maxHeaderBytes, maxConnections, maxConnectionsPerAddress } =
    options.limits;
  const limits = {
    maxHeaderSize: maxHeaderBytes,
    // Looked at in framing.ts: Node's own refusal lets the next request in.
    requireHostHeader: false,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: timeouts.headersMs / 2,
  };
  let serving = tls;
  const connections = new OpenConnections();
  const secure =
    tls &&
    createSecureServer(tls, options, limits, connections.watched(handler));
  const server = secure ?? createServer(limits, handler);
  if (maxConnections > 0) {
    server.maxConnections = maxConnections;
    server.on('drop', () => onRefused('connections'));
  }
  // Nothing that is right is silent for so long: the peer has gone, or does
  // not read its answers.
  const silentMs = timeouts.requestMs + options.responseTimeoutMs;
  (server as http.Server).timeout = silentMs;
  const gate = new ConnectionGate(maxConnectionsPerAddress, () =>
    onRefused('address'),
  );
  server.on('connection', (socket: Socket) => {
    if (!gate.enter(socket)) {
      return;
    }
    socket.setKeepAlive(true, tcpKeepAliveMs);
    connections.opened(socket, secure !== null);
  });
  secure?.on('secureConnection', (socket) => connections.secured(socket));
  secure?.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET') {
      onRefused('handshake');
    }
  });
  secure?.on('session', (session) => {
    connections.joined(session);
    session.on('error', () => onRefused('session'));
    session.removeAllListeners('timeout');
    // Streams that are under way still end; a session without any is closed.
    session.setTimeout(timeouts.keepAliveMs, () => {
      if (!session.closed) {
        session.close();
        const timer = setTimeout(() => session.destroy(), silentMs);
        session.once('close', () => clearTimeout(timer));
      }
    });
  });
  return {
    server: server as http.Server,
    reloadTls(texts) {
      secure?.setSecureContext(secureContextOptions(texts));
      if (serving !== null && hasLostAuthority(serving, texts)) {
        connections.judgeAgain();
      }
      serving = texts;
    },
    goAway: () => connections.goAway(),
    judgeAgain: () => connections.judgeAgain(),
    cut: () => connections.cut(),
  };
}

function createSecureServer(
  tls: TlsTexts,
  options: TransportOptions,
  limits: http.ServerOptions,
  handler: Handler,
): http2.Http2SecureServer {
  const { authenticate, timeouts, responseTimeoutMs } = options;
  const silentMs = timeouts.requestMs + responseTimeoutMs + timeouts.headersMs;
  return http2.createSecureServer(
    {
      allowHTTP1: true,
      ...secureContextOptions(tls),
      // A caller without a valid certificate is told so in the reply (401),
      // which the changefeed shows; a broken handshake would tell nothing.
      requestCert: authenticate,
      rejectUnauthorized: false,
      handshakeTimeout: timeouts.headersMs,
      settings: {
        maxConcurrentStreams,
        maxHeaderListSize: options.limits.maxHeaderBytes,
      },
      maxSessionInvalidFrames: 100,
      ...limits,
    },
    (request, reply) => {
      // One whose window stays closed would wait for ever with its answer. A
      // clock of the stream's own would begin anew with every ping.
      if (request.httpVersionMajor === 2) {
        const { stream } = request;
        const timer = setTimeout(() => stream.destroy(), silentMs);
        stream.once('close', () => clearTimeout(timer));
      }
      handler(
        request as unknown as http.IncomingMessage,
        reply as unknown as http.ServerResponse,
      );
    },
  );
}
