import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Http2ServerRequest } from 'node:http2';

import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { redactText } from '../../../config/redact.ts';
import {
  asReplicatorError,
  ReplicatorError,
} from '../../../failure/failure.ts';
import { type Deadline, Deadlines } from '../../../lib/deadlines.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';
import { accessTokenOf, takeAccessToken } from '../callers/access-token.ts';
import type { Caller, Callers } from '../callers/callers.ts';
import { BodyBuffers } from './body-buffers.ts';
import {
  type BodyLimits,
  contentLength,
  memoryFactor,
  readBody,
} from './body.ts';
import { checkFraming, refuseUnparsed } from './framing.ts';
import { InFlightBudget, type Room } from './in-flight-budget.ts';
import {
  type ConnectionRefusal,
  type ListenerLimits,
  usualLimits,
} from './listener-limits.ts';
import { noSchemas } from './no-schemas.ts';
import { type RequestPath, RequestPaths } from './path.ts';
import { type ReceiveContext, receiveBody } from '../receive.ts';
import type { TlsTexts } from './tls-files.ts';
import {
  createTransport,
  type Transport,
  type TransportTimeouts,
  usualTimeouts,
} from './transport.ts';

export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsTexts | null;
  readonly callers: Callers;
  readonly responseTimeoutMs: number;
  readonly inFlightLimitBytes: number;
  readonly discard: boolean;
  readonly discardDelayMs: number;
  readonly receive: ReceiveContext;
  readonly schemaNameParts: number;
  readonly examplePath: string;
  readonly metrics: Metrics;
  readonly timeouts?: TransportTimeouts;
  readonly limits?: ListenerLimits;
  readonly connectionRefused?: (reason: ConnectionRefusal) => void;
}

/** A request of a caller that may send it, from then on. */
interface Admitted {
  readonly raw: IncomingMessage;
  readonly reply: FastifyReply;
  readonly path: RequestPath;
  readonly room: Room;
  /** The room is given back when the work has settled, and not before. */
  isWorking: boolean;
}

/**
 * The webhook listener. One catch-all route takes changefeed requests; the
 * operator's routes under /_/ may be added to `app` before it listens.
 *
 * A reply's body is what the changefeed shows as its job's error: one line
 * with code, cause and remedy, never a secret and never row data.
 */
export class WebhookServer implements AsyncDisposable {
  readonly app: FastifyInstance;
  readonly #options: WebhookServerOptions;
  readonly #budget: InFlightBudget;
  readonly #timeouts: TransportTimeouts;
  readonly #limits: ListenerLimits;
  readonly #paths: RequestPaths;
  readonly #bodyLimits: BodyLimits;
  readonly #answerDeadlines: Deadlines;
  #transport: Transport | null = null;
  #openCount = 0;
  #onDrained: (() => void) | null = null;

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#timeouts = options.timeouts ?? usualTimeouts;
    this.#limits = options.limits ?? usualLimits;
    this.#paths = new RequestPaths(options);
    this.#bodyLimits = {
      maxBodyBytes: options.receive.limits.maxBodyBytes,
      timeoutMs: this.#timeouts.requestMs,
      deadlines: new Deadlines(this.#timeouts.requestMs),
      buffers: new BodyBuffers(),
    };
    this.#answerDeadlines = new Deadlines(options.responseTimeoutMs);
    const onRefused = (reason: ConnectionRefusal): void => {
      options.metrics.replicator_connections_refused_total.inc({ reason });
      options.connectionRefused?.(reason);
    };
    this.#budget = new InFlightBudget(options.inFlightLimitBytes);
    this.app = Fastify({
      serverFactory: (handler) => {
        this.#transport = createTransport(
          {
            ...options,
            authenticate: options.callers.asksCertificate,
            timeouts: this.#timeouts,
            limits: this.#limits,
            onRefused,
          },
          (request, reply) => {
            takeAccessToken(request);
            this.#watchReply(reply);
            handler(request, reply);
          },
        );
        return this.#transport.server;
      },
      // What it answers in its own words would name no code and no remedy.
      clientErrorHandler: (error, socket) => {
        const reason = refuseUnparsed(error, socket);
        if (reason !== null) {
          onRefused(reason);
        }
      },
      routerOptions: { maxParamLength: 4_096 },
      schemaController: noSchemas,
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

  /** Requests that are not answered yet, for the drain and the status. */
  get inFlightCount(): number {
    return this.#openCount;
  }

  /** Memory counted for requests: those, and what still works for old ones. */
  get heldBytes(): number {
    return this.#budget.heldBytes;
  }

  /** See Transport.reloadTls. */
  reloadTls(tls: TlsTexts): void {
    this.#transport?.reloadTls(tls);
  }

  /** See Transport.judgeAgain. */
  judgeAgain(): void {
    this.#transport?.judgeAgain();
  }

  /**
   * Stops listening and resolves when no request is in flight any more. What
   * still comes in on open connections is answered 503.
   */
  async drain(): Promise<void> {
    this.#transport?.goAway();
    const closed = this.app.close();
    if (this.#openCount > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onDrained = resolve;
      await promise;
    }
    this.cut();
    await closed;
  }

  /** Ends every connection, whatever it is doing. */
  cut(): void {
    this.#transport?.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.app.close();
  }

  #addWebhook(): void {
    const { app } = this;
    app.removeAllContentTypeParsers();
    // The webhook is answered before the framework would parse anything, and of
    // what has no route no body is read.
    app.addContentTypeParser('*', (_request, _body, done) => done(null));
    app.setErrorHandler((error, _request, reply) => {
      this.#refuse(reply, asHttpFailure(error));
    });
    app.setNotFoundHandler((_request, reply) => {
      this.#refuse(reply, new ReplicatorError('E1013'));
    });
    // In the same turn as the parser: the next request may stand behind this.
    app.addHook('onRequest', (request, _reply, done) => {
      try {
        checkFraming(request.raw);
        done();
      } catch (error) {
        done(error as ReplicatorError);
      }
    });
    app.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url: '/*',
      // Answered from here, without what a framework does for a handler (its
      // parsers of bodies, its promises, its ways to send): half of its time.
      onRequest: (request, reply) => this.#receive(request.raw, reply),
      handler: () => {},
    });
  }

  /** Counts replies, those of the framework's own too. */
  #watchReply(reply: ServerResponse): void {
    const { metrics } = this.#options;
    const beganAtMs = performance.now();
    reply.on('finish', () => {
      metrics.http_status_codes_total.inc({ code: String(reply.statusCode) });
      if (reply.statusCode === 200) {
        metrics.http_latency_seconds.observe(
          (performance.now() - beganAtMs) / 1_000,
        );
      }
    });
  }

  /**
   * Begins before it returns wherever the head tells all that is asked: a body
   * that finds nobody listening would be buffered first.
   */
  #receive(raw: IncomingMessage, reply: FastifyReply): void {
    // One who is not known learns nothing, not even which paths there are.
    const caller = this.#options.callers.identify({
      headers: raw.headers,
      socket: raw.socket,
      accessToken: accessTokenOf(raw),
    });
    if (caller instanceof Promise) {
      void this.#receiveUnknown(caller, raw, reply);
    } else {
      void this.#take(this.#admit(caller, raw, reply));
    }
  }

  async #receiveUnknown(
    caller: Promise<Caller>,
    raw: IncomingMessage,
    reply: FastifyReply,
  ): Promise<void> {
    let isGone = false;
    reply.raw.on('close', () => (isGone = true));
    let admitted: Admitted;
    try {
      const known = await caller;
      if (isGone) {
        // Nobody reads the answer; what is counted below would never be given back.
        throw new ReplicatorError('E1021', { detail: 'the caller has gone' });
      }
      admitted = this.#admit(known, raw, reply);
    } catch (error) {
      this.#refuse(reply, asReplicatorError(error));
      return;
    }
    await this.#take(admitted);
  }

  /** Whatever can be refused without the body is refused here. */
  #admit(caller: Caller, raw: IncomingMessage, reply: FastifyReply): Admitted {
    if (raw.method !== 'POST' && raw.method !== 'PUT') {
      throw new ReplicatorError('E1020');
    }
    const path = this.#paths.parse(raw.url ?? '/');
    caller.requireSchema(path.schema);
    const { headers } = raw;
    checkContentType(headers['content-type']);
    const { maxRequestsInFlight } = this.#limits;
    if (maxRequestsInFlight > 0 && this.#openCount >= maxRequestsInFlight) {
      throw new ReplicatorError('E3016');
    }
    const room = this.#budget.admit(
      (contentLength(headers['content-length']) ?? 0) *
        memoryFactor(headers['content-encoding']),
    );
    const admitted = { raw, reply, path, room, isWorking: false };
    this.#openCount += 1;
    // Comes once whatever happens: answered, cut off, or reset by the peer.
    reply.raw.once('close', () => {
      room.giveUp();
      if (!admitted.isWorking) {
        room.release();
      }
      this.#closed();
    });
    return admitted;
  }

  /** Reads the body, does the work, answers. Never rejects. */
  async #take(admitted: Admitted): Promise<void> {
    const { raw, reply, room } = admitted;
    const { headers } = raw;
    let body: Buffer | null = null;
    let deadline: Deadline | null = null;
    try {
      body = await readBody(
        raw,
        contentLength(headers['content-length']),
        this.#bodyLimits,
        room,
        memoryFactor(headers['content-encoding']),
      );
      this.#options.metrics.http_payload_in_bytes_total.observe(body.length);
      // The client may be gone by the end, or have been told to come again:
      // the work goes on, and what it makes durable then is a duplicate later.
      admitted.isWorking = true;
      deadline = this.#answerDeadlines.add(() => {
        // What waits for room ends by that, with E3006.
        if (!room.giveUp()) {
          this.#refuse(reply, new ReplicatorError('E1026'));
        }
      });
      await this.#work(admitted, body);
      if (!reply.sent) {
        reply.raw.writeHead(200, acceptedHead).end(acceptedText);
      }
    } catch (error) {
      this.#refuse(reply, asReplicatorError(error));
    } finally {
      // At once, for the others: the connection may take its time to end.
      room.release();
      if (body !== null) {
        this.#bodyLimits.buffers.release(body);
      }
      if (deadline !== null) {
        this.#answerDeadlines.delete(deadline);
      }
    }
  }

  async #work({ raw, path, room }: Admitted, body: Buffer): Promise<void> {
    const { discard, discardDelayMs, receive } = this.#options;
    if (discard) {
      await new Promise((done) => setTimeout(done, discardDelayMs));
      return;
    }
    await receiveBody(
      receive,
      path,
      body,
      raw.headers['content-encoding'],
      room,
    );
  }

  #closed(): void {
    this.#openCount -= 1;
    if (this.#openCount === 0) {
      this.#onDrained?.();
    }
  }

  #refuse(reply: FastifyReply, failure: ReplicatorError): void {
    if (reply.sent) {
      return;
    }
    this.#options.receive.refused(failure);
    if (failure.httpStatus === 503) {
      void reply.header('retry-after', '1');
    }
    endUnread(reply);
    if (failure.code === 'E1025' && reply.request.raw.httpVersionMajor < 2) {
      void reply.header('connection', 'close');
    }
    const { challenge } = this.#options.callers;
    if (failure.httpStatus === 401 && challenge !== null) {
      void reply.header('www-authenticate', challenge);
    }
    if (failure.code === 'E1020') {
      void reply.header('allow', 'POST');
    }
    void reply
      .code(failure.httpStatus)
      .type('text/plain; charset=utf-8')
      .send(`${redactText(failure.line)}\n`);
  }
}

/**
 * A refused request may still be sending its body, or have fallen silent:
 * nobody reads that, so the answer is the end of its connection or stream.
 */
function endUnread(reply: FastifyReply): void {
  const { raw } = reply.request;
  if (raw.readableEnded) {
    return;
  }
  if (raw.httpVersionMajor < 2) {
    // What was not read at all is read and dropped by the HTTP server.
    if (raw.readableDidRead) {
      void reply.header('connection', 'close');
    }
    return;
  }
  const { stream } = raw as unknown as Http2ServerRequest;
  stream.once('finish', () => stream.close());
}

const acceptedText = 'OK\n';
const acceptedHead = {
  'content-type': 'text/plain; charset=utf-8',
  'content-length': String(acceptedText.length),
};

/** What a changefeed may be told to send and nobody here understands. */
const otherFormats = /csv|avro|protobuf|multipart/i;
const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/;

function checkContentType(contentType: string | undefined): void {
  // What it says mostly, and saying nothing.
  if (contentType === 'application/json' || contentType === undefined) {
    return;
  }
  const format = otherFormats.exec(contentType)?.[0];
  if (format !== undefined) {
    throw new ReplicatorError('E1008', {
      detail: `the content type is that of ${format.toLowerCase()}`,
    });
  }
  if (!mediaType.test(contentType)) {
    throw new ReplicatorError('E1008');
  }
}

/** Gives the framework's own refusals their place in the catalogue. */
function asHttpFailure(error: unknown): ReplicatorError {
  const code = (error as { code?: unknown }).code;
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ReplicatorError('E1008');
  }
  // A method that HTTP has no name for, which only HTTP/2 lets through.
  if (code === 'FST_ERR_NOT_FOUND') {
    return new ReplicatorError('E1020');
  }
  return asReplicatorError(error);
}
