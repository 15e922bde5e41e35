import type { Socket } from 'node:net';

import type { ShownCertificate } from './shown-certificate.ts';

/**
 * What is known of one TLS connection, for as long as it lives. It hangs on
 * the socket itself: HTTP/2 shows each request another wrapper of that.
 */
export interface ConnectionState {
  /**
   * Its handshake was judged by an authority that is trusted no more: what
   * was begun ends, nothing begins.
   */
  isOutdated: boolean;
  /** What the handshake showed, read once, when a request first asks. */
  shown: ShownCertificate | null;
  reading: Promise<ShownCertificate> | null;
}

const stateKey = Symbol('connection state');

interface WithState {
  [stateKey]?: ConnectionState;
}

/** Right after the handshake, before any request is read. */
export function beginConnection(socket: Socket): ConnectionState {
  const state = { isOutdated: false, shown: null, reading: null };
  (socket as WithState)[stateKey] = state;
  return state;
}

/** Null for cleartext. */
export function connectionState(socket: Socket): ConnectionState | null {
  return (socket as WithState)[stateKey] ?? null;
}
