import { ReplicatorError } from '../failure/failure.ts';

/** Where to listen. An empty host is every address of the machine. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, `:port` or `[::1]:port`; throws E5002. */
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
      remedy: 'write host:port, :port for every address, or [::1]:port',
    });
  }
  return { host: match[1] ?? match[2] ?? '', port };
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
