import type { IncomingMessage } from 'node:http';

import Fastify, { type FastifyInstance } from 'fastify';

import type { ListenAddress } from '../config/listen-address.ts';
import { redactText } from '../config/redact.ts';
import { asReplicatorError, ReplicatorError } from '../failure/failure.ts';
import { takeAccessToken } from '../source/changefeed/callers/access-token.ts';
import { refuseUnparsed } from '../source/changefeed/server/framing.ts';
import { noSchemas } from '../source/changefeed/server/no-schemas.ts';
import { usualLimits } from '../source/changefeed/server/listener-limits.ts';
import { addOperatorRoutes, type OperatorContext } from './operator-routes.ts';

/** A few monitors, a load balancer's checks, a person. */
const maxConnections = 200;
/** A request here has a head and no more. */
const requestMs = 10_000;
/** Longer than any scraper waits between two questions on one connection. */
const silentMs = 120_000;

/** The operator's own listener (`--metricsAddr`), in cleartext. */
export class OperatorServer implements AsyncDisposable {
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance) {
    this.#app = app;
  }

  /** Resolves once it accepts connections; rejects with E5006. */
  static async listen(
    address: ListenAddress,
    context: OperatorContext,
  ): Promise<OperatorServer> {
    const app = Fastify({
      forceCloseConnections: true,
      bodyLimit: 1_024,
      connectionTimeout: silentMs,
      requestTimeout: requestMs,
      http: {
        maxHeaderSize: usualLimits.maxHeaderBytes,
        headersTimeout: requestMs,
        connectionsCheckingInterval: requestMs / 2,
      },
      clientErrorHandler: refuseUnparsed,
      schemaController: noSchemas,
      rewriteUrl(request) {
        takeAccessToken(request as IncomingMessage);
        return request.url ?? '/';
      },
    });
    app.setNotFoundHandler((_request, reply) =>
      reply.code(404).type('text/plain; charset=utf-8').send('not found\n'),
    );
    app.setErrorHandler((error, _request, reply) =>
      reply
        .code(500)
        .type('text/plain; charset=utf-8')
        .send(`${redactText(asReplicatorError(error).line)}\n`),
    );
    app.server.maxConnections = maxConnections;
    addOperatorRoutes(app, context);
    try {
      await app.listen({
        host: address.host === '' ? '::' : address.host,
        port: address.port,
      });
    } catch (error) {
      throw new ReplicatorError('E5006', {
        detail: `cannot listen on --metricsAddr ${address.host}:${address.port} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        cause: error,
      });
    }
    return new OperatorServer(app);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app.close();
  }
}
