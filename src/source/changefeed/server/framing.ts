/**
 * Where a request ends must be beyond doubt: two servers in a row that read it
 * differently let one caller speak in the name of another. Node's parser
 * refuses most (two lengths, a length beside chunks, bare line feeds, folded
 * headers); what it lets pass is refused here. HTTP/2 frames say it themselves.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { ReplicatorError } from '../../../failure/failure.ts';
import type { ConnectionRefusal } from './listener-limits.ts';

/** Connections on which one was: what follows there may be part of it. */
const doubted = new WeakSet<Duplex>();

/** Throws E1025, for this request and all that come behind it. */
export function checkFraming(request: IncomingMessage): void {
  if (request.httpVersionMajor >= 2) {
    return;
  }
  const { socket } = request;
  const doubt = doubted.has(socket)
    ? 'the request stands behind one whose end is in doubt'
    : doubtOf(request);
  if (doubt !== null) {
    doubted.add(socket);
    throw broken(doubt);
  }
}

function doubtOf(request: IncomingMessage): string | null {
  const { httpVersionMajor, httpVersionMinor, headers, rawHeaders } = request;
  if (httpVersionMajor < 1) {
    return 'the request is of HTTP/0.9';
  }
  const coding = headers['transfer-encoding'];
  if (
    coding !== undefined &&
    (httpVersionMinor === 0 || coding.toLowerCase() !== 'chunked')
  ) {
    return 'the transfer encoding is another than chunked';
  }
  let hostCount = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hostCount += 1;
    }
  }
  return hostCount > 1 || (hostCount === 0 && httpVersionMinor > 0)
    ? 'the request does not name one host'
    : null;
}

function broken(detail: string): ReplicatorError {
  return new ReplicatorError('E1025', { detail });
}

const farewellMs = 1_000;

/** What Node's parser and its clocks say of a connection. */
interface ParserError extends Error {
  readonly code?: string;
}

/**
 * Answers what never became a request, and ends its connection. Tells why;
 * null where the caller has only gone.
 */
export function refuseUnparsed(
  error: ParserError,
  socket: Duplex,
): ConnectionRefusal | null {
  const code = error.code ?? '';
  // Beneath HTTP nothing can be said: a handshake that failed comes here too.
  if (!/^(?:HPE_|ERR_HTTP_)/.test(code) || !socket.writable) {
    socket.destroy();
    return null;
  }
  const [status, reason, detail] = verdictOf(code);
  const { line } = broken(detail);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(line) + 1}\r\n\r\n${line}\n`,
    () => socket.destroy(),
  );
  // Whoever does not read it must not keep the socket.
  setTimeout(() => socket.destroy(), farewellMs).unref();
  return reason;
}

function verdictOf(code: string): [string, ConnectionRefusal, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        'headers',
        'the head of the request is larger than --maxHeaderBytes',
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [
        '408 Request Timeout',
        'slow',
        'the request did not arrive within --headerTimeout and --bodyTimeout',
      ];
    default:
      return ['400 Bad Request', 'request', 'what was sent is no HTTP'];
  }
}
