import { expect, test } from 'vitest';
import { certifiedName } from '../../../src/cli/daemon/listener-tls.ts';
import { describeListener } from '../../../src/cli/daemon/ready-line.ts';
import { loadOptions } from '../../../src/config/load.ts';
import { startOptions, valuesOf } from '../../../src/config/options.ts';
import { createSelfSigned } from '../../../src/lib/certificates.ts';
import { redactText } from '../../../src/config/redact.ts';

async function readyLine(...argv: string[]): Promise<string> {
  const { values } = await loadOptions(startOptions, argv, {});
  return describeListener(
    { host: '::1', port: 26258 },
    argv.length > 0,
    valuesOf(startOptions, values),
    '/shop/public',
  );
}

const ending = ` WITH updated, resolved='250ms', min_checkpoint_frequency='250ms', webhook_client_timeout='10s', webhook_sink_config='{"Flush":{"Bytes":1048576,"Frequency":"1s"}}'`;

test.each([
  [
    ['--tlsCertificate=c', '--tlsPrivateKey=k', '--tlsClientCA=ca'],
    'https',
    '?ca_cert=<base64>&client_cert=<base64>&client_key=<base64>',
    '',
  ],
  [
    [
      '--tlsCertificate=c',
      '--tlsPrivateKey=k',
      '--tlsClientCA=ca',
      '--authentication=both',
    ],
    'https',
    '?ca_cert=<base64>&client_cert=<base64>&client_key=<base64>',
    ', webhook_auth_header=<bearer-token>',
  ],
  [
    ['--tlsSelfSigned', '--disableAuthentication'],
    'https',
    '?insecure_tls_skip_verify=true',
    '',
  ],
  [[], 'http', '', ', webhook_auth_header=<bearer-token>'],
])(
  'with %j it leaves the log as it is to be pasted',
  async (argv, scheme, query, auth) => {
    const line = await readyLine(...argv);
    expect(line).toBe(
      `ready on ${scheme}://[::1]:26258: CREATE CHANGEFEED FOR TABLE … INTO 'webhook-${scheme}://[::1]:26258/shop/public${query}'${ending}${auth}`,
    );
    expect(redactText(line)).toBe(line);
  },
);

test('what is to be pasted names the host that the certificate has, not the machine', async () => {
  const { cert } = await createSelfSigned([
    '10.0.0.1',
    '*.pattern.example.com',
    'feeds.example.com',
  ]);
  const { values } = await loadOptions(startOptions, [], {});
  const line = describeListener(
    { host: '::1', port: 26258, certifiedName: certifiedName(cert) },
    true,
    valuesOf(startOptions, values),
    '/shop/public',
  );
  expect(line).toContain('ready on https://[::1]:26258: ');
  expect(line).toContain(
    "INTO 'webhook-https://feeds.example.com:26258/shop/public?",
  );
});

test('a certificate of patterns and addresses alone names no host', async () => {
  const { cert } = await createSelfSigned(['10.0.0.1', '*.example.com']);
  expect(certifiedName(cert)).toBeNull();
});
