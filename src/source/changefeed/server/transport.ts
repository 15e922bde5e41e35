import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';

import type { TlsTexts } from './tls-files.ts';

/**
 * How long a connection may take over what. Header sizes keep their defaults,
 * which are small: 16 KiB in HTTP/1.1, 64 KiB in HTTP/2.
 */
export interface TransportTimeouts {
  readonly headersMs: number;
  /** For the whole of a request, its body included. */
  readonly requestMs: number;
  /** Idle connections outlive the changefeed's own minute (anchors: 1 min idle). */
  readonly keepAliveMs: number;
}

export const usualTimeouts: TransportTimeouts = {
  headersMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 75_000,
};

/** A changefeed opens tens; beyond this the process runs out of sockets. */
const maxConnections = 10_000;
/** Per connection; Go's own server allows as many. */
const maxConcurrentStreams = 250;
/** A peer that vanished without a word is found out by TCP. */
const tcpKeepAliveMs = 30_000;

export interface TransportOptions {
  readonly tls: TlsTexts | null;
  readonly authenticate: boolean;
  readonly timeouts: TransportTimeouts;
}

export interface Transport {
  readonly server: http.Server;
  /** New connections use these certificates; open ones go on. */
  reloadTls(tls: TlsTexts): void;
  /** Tells HTTP/2 peers to ask elsewhere; what is under way ends. */
  goAway(): void;
  /** Ends every connection, whatever it is doing. */
  cut(): void;
}

type Handler = (
  request: http.IncomingMessage,
  reply: http.ServerResponse,
) => void;

/** HTTP/1.1 and HTTP/2 (by ALPN) over TLS, HTTP/1.1 in clear. */
export function createTransport(
  options: TransportOptions,
  handler: Handler,
): Transport {
  const { tls, timeouts } = options;
  const limits = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: timeouts.headersMs / 2,
  };
  const sessions = new Set<http2.ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const secure =
    tls && createSecureServer(tls, options, limits, handler, sessions);
  const server = secure ?? http.createServer(limits, handler);
  server.maxConnections = maxConnections;
  server.on('connection', (socket: Socket) => {
    socket.setKeepAlive(true, tcpKeepAliveMs);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    server: server as http.Server,
    reloadTls: (texts) => secure?.setSecureContext(secureContext(texts)),
    goAway() {
      for (const session of sessions) {
        session.close();
      }
    },
    cut() {
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}

function createSecureServer(
  tls: TlsTexts,
  { authenticate, timeouts }: TransportOptions,
  limits: http.ServerOptions,
  handler: Handler,
  sessions: Set<http2.ServerHttp2Session>,
): http2.Http2SecureServer {
  const server = http2.createSecureServer(
    {
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      ...secureContext(tls),
      // A caller without a valid certificate is told so in the reply (401),
      // which the changefeed shows; a broken handshake would tell nothing.
      requestCert: authenticate,
      rejectUnauthorized: false,
      handshakeTimeout: timeouts.headersMs,
      settings: { maxConcurrentStreams },
      ...limits,
    },
    handler as unknown as (
      request: http2.Http2ServerRequest,
      response: http2.Http2ServerResponse,
    ) => void,
  );
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
    // Streams that are under way still end; a session without any is closed.
    session.setTimeout(timeouts.keepAliveMs, () => session.close());
  });
  return server;
}

function secureContext(tls: TlsTexts): {
  cert: string;
  key: string;
  ca?: string;
} {
  return {
    cert: tls.cert,
    key: tls.key,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
  };
}
