/** Bytes to a listener and back, below anything that knows HTTP. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Talk {
  readonly socket: Socket;
  /** All that was heard so far. */
  readonly heard: () => string;
  /** Resolves to all that was heard, once the other side has closed. */
  readonly closed: Promise<string>;
}

export function dial(
  port: number,
  tls?: { readonly alpn: readonly string[] },
): Talk {
  const socket = tls
    ? connectTls({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols: [...tls.alpn],
      })
    : connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => (heard += text));
  socket.on('error', () => {});
  return {
    socket,
    heard: () => heard,
    closed: new Promise((resolve) =>
      socket.once('close', () => resolve(heard)),
    ),
  };
}

/** Every byte as it is in the text. */
export function bytesOf(latin1: string): Buffer {
  return Buffer.from(latin1, 'latin1');
}
