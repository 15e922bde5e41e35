/**
 * The door of `callers/`: who may send. Decided before the body is read, from
 * the head of the request and the connection alone.
 *
 * What always holds: a caller is let in only by what `--authentication` asks
 * for; what it does not ask for is not looked at. Nothing that fails, and
 * nothing that is missing, lets anybody in.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/** What a request shows of its sender. */
export interface CallerRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
  /** The token of its URL, already taken out of that: see `access-token.ts`. */
  readonly accessToken: string | null;
}

/** Someone who is known; not yet, whether the schema is theirs. */
export interface Caller {
  /** For log and audit, never a secret: `certificate CN=…`, `token <jti>`. */
  readonly name: string;
  /**
   * Throws E1024 where the caller may not write to the schema. The parts are
   * those of the path, as they came.
   */
  requireSchema(schema: readonly string[]): void;
}

export interface Callers {
  /** Whether a TLS handshake asks for a client certificate. */
  readonly asksCertificate: boolean;
  /** For a reply of 401: how one who is not known may become so. */
  readonly challenge: string | null;
  /** Throws E1023, or rejects with it, for one who is not known. */
  readonly identify: (request: CallerRequest) => Caller | Promise<Caller>;
}

/** One of the ways to be known; `--authentication` says which are asked for. */
export type Authentication = 'certificate' | 'token';
