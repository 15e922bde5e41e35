import { execFile } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  expiryWarnings,
  listenerTls,
  listenerTlsWarnings,
  readListenerTls,
} from '../../../src/cli/daemon/listener-tls.ts';
import { defaultValues } from '../../../src/config/load.ts';
import { type StartValues, startOptions } from '../../../src/config/options.ts';
import {
  type Made,
  makeAuthority,
  makeCertificate,
  makeServer,
} from '../../support/made-certificates.ts';

const hourMs = 3_600_000;
let authority: Made;
let between: Made;
let server: Made;
beforeAll(async () => {
  authority = await makeAuthority();
  between = await makeAuthority('between', authority);
  server = await makeServer(between, {
    notAfter: new Date(Date.now() + 1000 * hourMs),
  });
});

async function files(
  changed: { cert?: string; key?: string; ca?: string } = {},
): Promise<StartValues> {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-tls-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    ...defaultValues(startOptions),
    tlsCertificate: await put('c.pem', changed.cert ?? server.cert),
    tlsPrivateKey: await put('k.pem', changed.key ?? server.key),
    tlsClientCA: await put('ca.pem', changed.ca ?? authority.cert),
  } as StartValues;
}

function encrypted(key: string, type: 'pkcs8' | 'sec1'): string {
  return String(
    createPrivateKey(key).export({
      format: 'pem',
      type,
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    }),
  );
}

test.each<[string, () => Promise<Parameters<typeof files>[0]>, RegExp]>([
  [
    'the key of another certificate',
    async () => ({ key: (await makeServer(authority)).key }),
    /^E5018 --tlsPrivateKey \S+k\.pem is not the key of --tlsCertificate \S+c\.pem: give the two files that were made together$/,
  ],
  [
    'a key of another kind',
    async () => ({
      key: generateKeyPairSync('rsa', { modulusLength: 2048 })
        .privateKey.export({ format: 'pem', type: 'pkcs8' })
        .toString(),
    }),
    /^E5018 --tlsPrivateKey \S+ is not the key of/,
  ],
  [
    'an encrypted key',
    async () => ({ key: encrypted(server.key, 'pkcs8') }),
    /^E5018 --tlsPrivateKey \S+ is encrypted, and there is nobody to ask for its pass phrase: decrypt it .*openssl pkey/,
  ],
  [
    'an encrypted key in the old form',
    async () => ({ key: encrypted(server.key, 'sec1') }),
    /^E5018 --tlsPrivateKey \S+ is encrypted/,
  ],
  [
    'a certificate where the key should be',
    async () => ({ key: server.cert }),
    /^E5018 --tlsPrivateKey \S+ holds no private key in PEM form/,
  ],
  [
    'a key where the certificate should be',
    async () => ({ cert: server.key }),
    /^E5018 --tlsCertificate \S+ holds no certificate in PEM form/,
  ],
  [
    'a certificate in DER form',
    async () => ({ cert: '0\u0082\u0001' }),
    /^E5018 --tlsCertificate \S+ holds no certificate in PEM form/,
  ],
  [
    'the one in between first',
    async () => ({ cert: between.cert + server.cert }),
    /^E5018 the certificate that belongs to --tlsPrivateKey \S+ is not the first in --tlsCertificate/,
  ],
  [
    'a certificate with a letter changed',
    async () => ({
      cert: server.cert.replace(/(.{100}\n)/s, 'AAAA$1'),
    }),
    /^E5018 (certificate 1 in )?--tlsCertificate \S+ (cannot be read|is cut short)/,
  ],
  [
    'a file of authorities without any',
    async () => ({ ca: '# none yet\n' }),
    /^E5018 --tlsClientCA \S+ holds no certificate in PEM form/,
  ],
  [
    'a file of authorities whose second one is cut',
    async () => ({ ca: authority.cert + between.cert.slice(0, 200) }),
    /^E5018 --tlsClientCA \S+ is cut short/,
  ],
])('%s ends the start', async (_, changed, line) => {
  const values = await files(await changed());
  await expect(listenerTls(values)).rejects.toMatchObject({
    line: expect.stringMatching(line),
  });
});

test('a key that OpenSSL finds too weak ends the start', async () => {
  const values = await files();
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:1024',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=weak',
    '-keyout',
    values.tlsPrivateKey,
    '-out',
    values.tlsCertificate,
  ]);
  await expect(listenerTls(values)).rejects.toMatchObject({
    line: expect.stringMatching(
      /^E5018 TLS cannot use --tlsCertificate \S+ \(ERR_SSL_EE_KEY_TOO_SMALL\): make a key of a usual kind/,
    ),
  });
});

test('a chain, a bundle, text between certificates and other line ends serve', async () => {
  const values = await files({
    cert: `server\n${server.cert}between - it\n${between.cert}`.replaceAll(
      '\n',
      '\r\n',
    ),
    key: `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${String(createPrivateKey(server.key).export({ format: 'pem', type: 'sec1' }))}`,
    ca: `${authority.cert}\n\n${between.cert}`,
  });
  const texts = await listenerTls(values);
  expect(await listenerTlsWarnings(values, texts!)).toEqual([]);
});

test('what somebody should mend is warned about', async () => {
  const bare = await makeCertificate({ issuer: authority, names: [] });
  const values = await files({ ...bare, ca: between.cert });
  await chmod(values.tlsPrivateKey, 0o644);
  const texts = await listenerTls(values);
  expect(await listenerTlsWarnings(values, texts!)).toEqual([
    expect.stringMatching(/"between" is not a root, .*Add its root/),
    expect.stringMatching(
      /every account of this machine may read or write the key \(mode 644\); chmod 600$/,
    ),
    expect.stringMatching(/has no alternative names/),
    expect.stringMatching(/is not meant for servers/),
  ]);
});

test('an expired certificate does not keep from starting: what is staged goes on to the target', async () => {
  const past = {
    notBefore: new Date(Date.now() - 2 * hourMs),
    notAfter: new Date(Date.now() - hourMs),
  };
  const values = await files({
    ...(await makeServer(authority, past)),
    ca: (await makeAuthority('past', null, past)).cert,
  });
  const texts = await listenerTls(values);
  expect(expiryWarnings(texts!, Date.now())).toEqual([
    expect.stringMatching(
      /^the certificate "localhost" in --tlsCertificate has expired on .*changefeeds that verify this server cannot send/,
    ),
    expect.stringMatching(
      /^the authority "past" in --tlsClientCA has expired on .*whoever it signed for is refused/,
    ),
  ]);
});

test('a self-signed certificate stays when the authorities are read again', async () => {
  const values = {
    ...(await files()),
    tlsCertificate: '',
    tlsPrivateKey: '',
    tlsSelfSigned: true,
  };
  const before = await listenerTls(values);
  await writeFile(values.tlsClientCA, authority.cert + between.cert);
  expect(await readListenerTls(values, before)).toEqual({
    ...before,
    ca: authority.cert + between.cert,
  });
});
