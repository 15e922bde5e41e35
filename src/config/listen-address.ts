import { ReplicatorError } from '../failure/failure.ts';

/** Where to listen. An empty host, of `bindAddr` alone, is every address. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `:port` or `[::1]:port`; throws E5002. Metrics tell of
 * tables: without a host only this machine reaches them.
 */
export function parseListenAddress(
  text: string,
  option: 'bindAddr' | 'metricsAddr',
): ListenAddress {
  const match = /^(?:\[([\da-fA-F:.%\w]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(
    text,
  );
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new ReplicatorError('E5002', {
      detail: `--${option} ${JSON.stringify(text)} is not an address`,
      remedy: `write host:port, :port for ${option === 'metricsAddr' ? '127.0.0.1' : 'every address'}, or [::1]:port`,
    });
  }
  const host = match[1] ?? match[2] ?? '';
  return {
    host: host === '' && option === 'metricsAddr' ? '127.0.0.1' : host,
    port,
  };
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: ListenAddress): boolean {
  const host = address.host.toLowerCase();
  return (
    host === 'localhost' ||
    host === '::1' ||
    /^127(\.\d{1,3}){3}$/.test(host) ||
    /^::ffff:127(\.\d{1,3}){3}$/.test(host)
  );
}
