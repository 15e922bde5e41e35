import { readFile } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { InFlightBudget } from './in-flight-budget.ts';
import { parseRequestPath, type RequestPath } from './path.ts';
import { type ReceiveContext, receiveBody } from './receive.ts';

/** PEM files of the listener; null where an option is not given. */
export interface TlsFiles {
  readonly certificate: string | null;
  readonly privateKey: string | null;
  readonly clientCA: string | null;
}

export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsTexts | null;
  /** Callers must show a certificate signed by the client authority. */
  readonly authenticate: boolean;
  readonly responseTimeoutMs: number;
  readonly inFlightLimitBytes: number;
  readonly discard: boolean;
  readonly discardDelayMs: number;
  readonly receive: ReceiveContext;
  readonly schemaNameParts: number;
  readonly examplePath: string;
  readonly metrics: Metrics;
}

/** Idle connections outlive the changefeed's own minute (anchors: 1 min idle). */
const keepAliveMs = 75_000;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;

declare module 'fastify' {
  interface FastifyRequest {
    webhookPath?: RequestPath;
  }
}

/**
 * The webhook listener: HTTP/1.1 and HTTP/2 (by ALPN) over TLS, HTTP/1.1 in
 * clear. One catch-all route takes changefeed requests; `addRoutes` may add
 * the operator's routes under /_/ before it listens.
 *
 * A reply's body is what the changefeed shows as its job's error: one line
 * with code, cause and remedy, never a secret and never row data.
 */
export class WebhookServer implements AsyncDisposable {
  readonly app: FastifyInstance;
  readonly #options: WebhookServerOptions;
  readonly #inFlight: InFlightBudget;
  #server: http.Server | http2.Http2SecureServer | null = null;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#inFlight = new InFlightBudget(options.inFlightLimitBytes);
    this.app = Fastify({
      bodyLimit: options.receive.limits.maxBodyBytes,
      serverFactory: (handler) => this.#createServer(handler),
      routerOptions: { maxParamLength: 4_096 },
      frameworkErrors: (_error, _request, reply) => {
        this.#refuse(reply as FastifyReply, new ReplicatorError('E1013'));
      },
    }) as unknown as FastifyInstance;
    this.#addWebhook();
  }

  /** Resolves to the address once it accepts connections. */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    try {
      await this.app.listen({ host: host === '' ? '::' : host, port });
    } catch (error) {
      throw new ReplicatorError('E5006', {
        detail: `cannot listen on ${host}:${port} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        cause: error,
      });
    }
    const address = this.app.server.address() as AddressInfo;
    return { host, port: address.port };
  }

  /** Requests in flight, for the drain and the status. */
  get inFlightCount(): number {
    return this.#inFlight.requestCount;
  }

  /** New connections use these certificates; open ones go on. */
  reloadTls(tls: TlsTexts): void {
    if (this.#server && 'setSecureContext' in this.#server) {
      this.#server.setSecureContext(secureContext(tls));
    }
  }

  /**
   * Stops listening and resolves when no request is in flight any more. What
   * still comes in on open connections is answered 503.
   */
  async drain(): Promise<void> {
    for (const session of this.#sessions) {
      session.close();
    }
    const closed = this.app.close();
    await this.#inFlight.drained();
    this.cut();
    await closed;
  }

  /** Ends every connection, whatever it is doing. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.app.close();
  }

  #createServer(
    handler: (
      request: http.IncomingMessage,
      reply: http.ServerResponse,
    ) => void,
  ): http.Server {
    const { tls } = this.#options;
    const timeouts = {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
    };
    if (!tls) {
      this.#server = this.#tracked(http.createServer(timeouts, handler));
      return this.#server;
    }
    const server = http2.createSecureServer(
      {
        allowHTTP1: true,
        minVersion: 'TLSv1.2',
        ...secureContext(tls),
        // A caller without a valid certificate is told so in the reply (401),
        // which the changefeed shows; a broken handshake would tell nothing.
        requestCert: this.#options.authenticate,
        rejectUnauthorized: false,
        ...timeouts,
      },
      handler as unknown as (
        request: http2.Http2ServerRequest,
        response: http2.Http2ServerResponse,
      ) => void,
    );
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => {});
    });
    this.#server = this.#tracked(server);
    return server as unknown as http.Server;
  }

  #tracked<T extends http.Server | http2.Http2SecureServer>(server: T): T {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  #addWebhook(): void {
    const { app } = this;
    const { metrics, receive } = this.#options;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer' },
      (_request, body, done) => done(null, body),
    );
    app.setErrorHandler((error, _request, reply) => {
      this.#refuse(reply, asHttpFailure(error));
    });
    app.setNotFoundHandler((_request, reply) => {
      this.#refuse(reply, new ReplicatorError('E1013'));
    });
    app.addHook('onResponse', async (_request, reply) => {
      metrics.http_status_codes_total.inc({ code: String(reply.statusCode) });
      if (reply.statusCode === 200) {
        metrics.http_latency_seconds.observe(reply.elapsedTime / 1_000);
      }
    });
    app.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url: '/*',
      // Everything that can be refused without the body is refused before it.
      onRequest: async (request, reply) => this.#admit(request, reply),
      handler: async (request, reply) => {
        const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
        metrics.http_payload_in_bytes_total.observe(body.length);
        if (this.#options.discard) {
          await new Promise((done) =>
            setTimeout(done, this.#options.discardDelayMs),
          );
        } else {
          await withinTime(
            receiveBody(
              receive,
              request.webhookPath!,
              body,
              request.headers['content-encoding'],
            ),
            this.#options.responseTimeoutMs,
          );
        }
        return reply.type('text/plain; charset=utf-8').send('OK\n');
      },
    });
  }

  #admit(request: FastifyRequest, reply: FastifyReply): void {
    const options = this.#options;
    const socket = request.raw.socket as TLSSocket;
    if (options.authenticate && !socket.authorized) {
      throw new ReplicatorError('E1023', {
        detail: socket.getPeerCertificate?.()?.subject
          ? 'the client certificate is not signed by the authority in --tlsClientCA, or has expired'
          : 'the caller shows no client certificate',
      });
    }
    if (request.method !== 'POST' && request.method !== 'PUT') {
      throw new ReplicatorError('E1020');
    }
    request.webhookPath = parseRequestPath(request.raw.url ?? '/', {
      schemaNameParts: options.schemaNameParts,
      examplePath: options.examplePath,
    });
    checkContentType(request.headers['content-type']);
    const release = this.#inFlight.reserve(
      Number(request.headers['content-length'] ?? 0),
    );
    // Comes once whatever happens: answered, cut off, or reset by the peer.
    reply.raw.once('close', release);
  }

  #refuse(reply: FastifyReply, failure: ReplicatorError): void {
    this.#options.receive.refused(failure);
    if (failure.httpStatus === 503) {
      void reply.header('retry-after', '1');
    }
    if (failure.code === 'E1020') {
      void reply.header('allow', 'POST');
    }
    void reply
      .code(failure.httpStatus)
      .type('text/plain; charset=utf-8')
      .send(`${failure.line}\n`);
  }
}

/** Reads the PEM files; E5005 names the one that cannot be read. */
export async function readTlsFiles<T extends TlsFiles>(
  files: T,
): Promise<{
  cert: T['certificate'];
  key: T['privateKey'];
  ca: T['clientCA'];
}> {
  const read = async <T extends string | null>(
    option: string,
    path: T,
  ): Promise<T> => {
    if (path === null) {
      return path;
    }
    try {
      return (await readFile(path, 'utf8')) as T;
    } catch (error) {
      throw new ReplicatorError('E5005', {
        detail: `--${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        cause: error,
      });
    }
  };
  return {
    cert: await read('tlsCertificate', files.certificate),
    key: await read('tlsPrivateKey', files.privateKey),
    ca:
      files.clientCA === null
        ? null
        : await read('tlsClientCA', files.clientCA),
  };
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

/** What a changefeed may be told to send and nobody here understands. */
const otherFormats = /csv|avro|protobuf|multipart/i;

function checkContentType(contentType: string | undefined): void {
  if (contentType !== undefined && otherFormats.test(contentType)) {
    throw new ReplicatorError('E1008', {
      detail: `the content type is ${JSON.stringify(contentType.slice(0, 80))}`,
    });
  }
}

/** Gives the framework's own refusals their place in the catalogue. */
function asHttpFailure(error: unknown): ReplicatorError {
  const code = (error as { code?: unknown }).code;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ReplicatorError('E1005');
  }
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'ECONNRESET') {
    return new ReplicatorError('E1021', {
      detail: 'the body is shorter or longer than its content-length',
    });
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ReplicatorError('E1008');
  }
  return asReplicatorError(error);
}

/**
 * Answers 503 when the work takes too long. The work itself goes on: what it
 * makes durable later is a duplicate then, which does no harm.
 */
async function withinTime(
  work: Promise<void>,
  timeoutMs: number,
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => late.reject(new ReplicatorError('E1026')),
    timeoutMs,
  );
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
