import { expect, test } from 'vitest';

import { parseSinkUrl } from '../../src/workload/sender.ts';

const pem = '-----BEGIN CERTIFICATE-----\n>>>???\n-----END CERTIFICATE-----\n';

test("CockroachDB's own parameters are read and cut off, all others stay", () => {
  const base64 = Buffer.from(pem).toString('base64');
  expect(base64).toContain('+');
  // Once escaped as CockroachDB's documentation says, once as people do.
  for (const text of [encodeURIComponent(base64), base64]) {
    const { url, tls } = parseSinkUrl(
      `webhook-https://host:26258/db/public?ca_cert=${text}&client_cert=${text}&client_key=${text}&access_token=abc`,
    );
    expect(url.href).toBe('https://host:26258/db/public?access_token=abc');
    expect(tls).toEqual({
      ca: pem,
      cert: pem,
      key: pem,
      rejectUnauthorized: true,
    });
  }
});

test('the server certificate goes unverified only where the URL says so', () => {
  const verified = (query: string): boolean =>
    parseSinkUrl(`https://host/db/public${query}`).tls.rejectUnauthorized;
  expect(verified('')).toBe(true);
  expect(verified('?insecure_tls_skip_verify=false')).toBe(true);
  expect(verified('?insecure_tls_skip_verify=true')).toBe(false);
});
