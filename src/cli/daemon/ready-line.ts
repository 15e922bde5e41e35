import { hostname } from 'node:os';

import { askedOfCallers } from '../../config/check.ts';
import type { StartValues } from '../../config/options.ts';

/** The one line that says the daemon is ready, with what to paste. */
export function describeListener(
  address: {
    readonly host: string;
    readonly port: number;
    /** Of the certificate: the one under which a changefeed trusts the daemon. */
    readonly certifiedName?: string | null;
  },
  encrypted: boolean,
  values: StartValues,
  examplePath: string,
): string {
  const host =
    address.host === '' || address.host === '0.0.0.0' || address.host === '::'
      ? hostname()
      : address.host;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  const named = address.certifiedName ?? null;
  const sink = named === null ? authority : `${named}:${address.port}`;
  const scheme = encrypted ? 'https' : 'http';
  const asked = askedOfCallers(values);
  const parameters = [
    ...(encrypted && values.tlsSelfSigned
      ? ['insecure_tls_skip_verify=true']
      : []),
    ...(encrypted && !values.tlsSelfSigned ? ['ca_cert=<base64>'] : []),
    ...(asked.includes('certificate')
      ? ['client_cert=<base64>', 'client_key=<base64>']
      : []),
  ];
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`;
  return `ready on ${scheme}://${authority}: CREATE CHANGEFEED FOR TABLE … INTO 'webhook-${scheme}://${sink}${examplePath}${query}' WITH updated, resolved='250ms', min_checkpoint_frequency='250ms', webhook_client_timeout='10s', webhook_sink_config='{"Flush":{"Bytes":1048576,"Frequency":"1s"}}'${asked.includes('token') ? ', webhook_auth_header=<bearer-token>' : ''}`;
}
