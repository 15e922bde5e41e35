import {
  mkdir,
  mkdtemp,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  CertificateWatch,
  type CertificateWatchOptions,
} from '../../../src/cli/daemon/certificate-watch.ts';
import {
  checkListenerTls,
  listenerTls,
  readListenerTls,
} from '../../../src/cli/daemon/listener-tls.ts';
import { tellClientExpiry } from '../../../src/cli/daemon/client-expiry.ts';
import { defaultValues } from '../../../src/config/load.ts';
import { type StartValues, startOptions } from '../../../src/config/options.ts';
import type { TlsTexts } from '../../../src/source/changefeed/server/tls-files.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import {
  type Made,
  makeAuthority,
  makeServer,
} from '../../support/made-certificates.ts';

const dayMs = 86_400_000;
let authority: Made;
let first: Made;
let second: Made;
beforeAll(async () => {
  const notAfter = new Date(Date.now() + 100 * dayMs);
  authority = await makeAuthority('callers', null, { notAfter });
  [first, second] = await Promise.all([
    makeServer(authority, { notAfter }),
    makeServer(authority, { notAfter }),
  ]);
});

interface World {
  readonly folder: string;
  readonly watch: CertificateWatch;
  readonly taken: TlsTexts[];
  readonly judged: { count: number };
  /** `level message`, oldest first; emptied by reading. */
  readonly lines: () => string[];
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>;
  readonly metric: (name: string) => Promise<string[]>;
}

async function world(
  changed: {
    readonly files?: Readonly<Record<string, string>>;
    readonly options?: Partial<CertificateWatchOptions>;
  } = {},
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-watch-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, name), text);
    }
  };
  await write({
    'tls.crt': first.cert,
    'tls.key': first.key,
    'ca.crt': authority.cert,
    ...changed.files,
  });
  const values = {
    ...defaultValues(startOptions),
    tlsCertificate: join(folder, 'tls.crt'),
    tlsPrivateKey: join(folder, 'tls.key'),
    tlsClientCA: join(folder, 'ca.crt'),
  } as StartValues;
  let lines: string[] = [];
  const logger = pino(
    {},
    {
      write: (line: string) => {
        const { level, msg } = JSON.parse(line) as {
          level: number;
          msg: string;
        };
        lines.push(`${pino.levels.labels[level]} ${msg}`);
      },
    },
  );
  const taken: TlsTexts[] = [];
  const judged = { count: 0 };
  const metrics = createMetrics();
  const watch = new CertificateWatch({
    texts: (await listenerTls(values))!,
    read: (before) => readListenerTls(values, before),
    check: (next) => checkListenerTls(values, next),
    take: (texts) => void taken.push(texts),
    judgeAgain: () => void (judged.count += 1),
    logger,
    metrics,
    ...changed.options,
  });
  return {
    folder,
    watch,
    taken,
    judged,
    write,
    lines: () => lines.splice(0),
    metric: async (name) =>
      (await metrics.registry.getSingleMetricAsString(name))
        .split('\n')
        .filter((line) => line.startsWith(name)),
  };
}

test('new files are taken over once they have stood still for a look, and said once', async () => {
  const { watch, taken, lines, write } = await world();
  lines();
  await watch.look();
  await write({ 'tls.crt': second.cert, 'tls.key': second.key });
  await watch.look();
  expect(taken).toEqual([]);
  await watch.look();
  await watch.look();
  await watch.look();
  expect(taken).toEqual([
    { cert: second.cert, key: second.key, ca: authority.cert },
  ]);
  expect(lines()).toEqual([
    'info certificates read again: new connections use the new ones',
  ]);
});

test('the same files written anew change nothing', async () => {
  const { watch, taken, lines, write } = await world();
  lines();
  await write({ 'tls.crt': first.cert });
  await watch.look();
  await watch.look();
  expect([taken, lines()]).toEqual([[], []]);
});

test.each<[string, (next: Made) => Record<string, string>, RegExp]>([
  [
    'a new certificate beside the old key',
    ({ cert }) => ({ 'tls.crt': cert }),
    /tls\.key is not the key of --tlsCertificate/,
  ],
  [
    'half a certificate',
    ({ cert }) => ({ 'tls.crt': cert.slice(0, 300) }),
    /tls\.crt is cut short, or was not written to its end yet/,
  ],
  [
    'an empty key',
    () => ({ 'tls.key': '' }),
    /tls\.key holds no private key in PEM form/,
  ],
  [
    'half of a second authority',
    ({ cert }) => ({ 'ca.crt': authority.cert + cert.slice(0, 300) }),
    /ca\.crt is cut short/,
  ],
  [
    'an empty file of authorities',
    () => ({ 'ca.crt': '' }),
    /ca\.crt holds no certificate/,
  ],
])(
  '%s keeps what was served, is said once, and does no harm to what comes next',
  async (_, half, cause) => {
    const { watch, taken, lines, write, metric } = await world();
    lines();
    await write(half(second));
    for (let looks = 0; looks < 5; looks += 1) {
      await watch.look();
    }
    expect(taken).toEqual([]);
    const said = lines();
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^error the certificates stay as they were: E5018 /,
    );
    expect(said[0]).toMatch(cause);
    const gauge = 'replicator_certificate_reload_failing';
    expect(await metric(gauge)).toEqual([`${gauge} 1`]);
    await write({
      'tls.crt': second.cert,
      'tls.key': second.key,
      'ca.crt': authority.cert,
    });
    await watch.look();
    await watch.look();
    expect(taken).toHaveLength(1);
    expect(await metric(gauge)).toEqual([`${gauge} 0`]);
  },
);

test('a pair that is being written one file after the other is never said to be wrong', async () => {
  const { watch, taken, lines, write } = await world();
  lines();
  await write({ 'tls.crt': second.cert });
  await watch.look();
  await write({ 'tls.key': second.key });
  await watch.look();
  await watch.look();
  expect(taken).toHaveLength(1);
  expect(lines()).toEqual([
    'info certificates read again: new connections use the new ones',
  ]);
});

test('a folder that is swapped by a symlink, as Kubernetes does it, is followed', async () => {
  const { folder, watch, taken } = await world();
  for (const [name, made] of [
    ['..1', first],
    ['..2', second],
  ] as const) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'tls.crt'), made.cert);
    await writeFile(join(folder, name, 'tls.key'), made.key);
  }
  await symlink('..1', join(folder, '..data'));
  for (const file of ['tls.crt', 'tls.key']) {
    await rm(join(folder, file));
    await symlink(`..data/${file}`, join(folder, file));
  }
  await watch.look();
  await watch.look();
  expect(taken).toEqual([]);
  await symlink('..2', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await watch.look();
  await watch.look();
  expect(taken.map(({ cert }) => cert)).toEqual([second.cert]);
});

test('files that are gone keep what was served, and SIGHUP says so each time', async () => {
  const { folder, watch, taken, lines } = await world();
  lines();
  await rm(join(folder, 'tls.key'));
  await watch.look();
  await watch.look();
  await watch.look();
  expect(lines()).toEqual([
    expect.stringMatching(
      /^error the certificates stay as they were: E5005 --tlsPrivateKey: .* \(ENOENT\)/,
    ),
  ]);
  await watch.reload();
  await watch.reload();
  expect(lines()).toHaveLength(2);
  expect(taken).toEqual([]);
});

test('SIGHUP takes new files at once, and says too that there are none', async () => {
  const { watch, taken, lines, write } = await world();
  lines();
  await watch.reload();
  expect(lines()).toEqual([
    'info certificates read again: nothing has changed',
  ]);
  await write({ 'tls.crt': second.cert, 'tls.key': second.key });
  await watch.reload();
  expect(taken).toHaveLength(1);
  expect(lines()).toHaveLength(1);
});

test('every certificate shows when it ends, and those that are gone do not any more', async () => {
  const { watch, write, metric } = await world();
  const gauge = 'replicator_certificate_expiry_timestamp_seconds';
  const before = await metric(gauge);
  expect(before).toHaveLength(2);
  expect(before[0]).toMatch(
    /\{role="server",subject="localhost",fingerprint="[\da-f]{16}"\} \d{10}$/,
  );
  expect(before[1]).toMatch(/\{role="client_ca",subject="callers",/);
  const other = await makeAuthority('other');
  await write({
    'ca.crt': authority.cert + other.cert,
    'tls.crt': second.cert,
    'tls.key': second.key,
  });
  await watch.reload();
  const after = await metric(gauge);
  expect(after).toHaveLength(3);
  expect(after[0]).not.toBe(before[0]);
  expect(after[1]).toBe(before[1]);
});

test('the end of a certificate is said 30, 7 and 1 days ahead and when it is there, once each', async () => {
  let nowMs = Date.now();
  const endMs = nowMs + 100 * dayMs;
  const notAfter = new Date(endMs);
  const server = await makeServer(authority, { notAfter });
  const ending = await makeAuthority('ending', null, { notAfter });
  const { watch, lines, judged } = await world({
    files: {
      'tls.crt': server.cert,
      'tls.key': server.key,
      'ca.crt': ending.cert,
    },
    options: { nowMs: () => nowMs },
  });
  expect(lines()).toEqual([]);
  for (const [daysLeft, level, words] of [
    [30.5, null, ''],
    [29.9, 'warn', 'within 30 days'],
    [8, null, ''],
    [6.9, 'warn', 'within 7 days'],
    [2, null, ''],
    [0.9, 'warn', 'within a day'],
    [0.1, null, ''],
  ] as const) {
    nowMs = endMs - daysLeft * dayMs;
    await watch.look();
    await watch.look();
    const said = lines();
    expect(said).toHaveLength(level === null ? 0 : 2);
    for (const [at, what] of [
      'the certificate "localhost" in --tlsCertificate',
      'the authority "ending" in --tlsClientCA',
    ].entries()) {
      if (level !== null) {
        expect(said[at]).toMatch(
          new RegExp(`^${level} ${what} expires on .*Z, ${words}: `),
        );
      }
    }
  }
  expect(judged.count).toBe(0);
  nowMs = endMs + dayMs;
  await watch.look();
  await watch.look();
  expect(lines()).toEqual([
    expect.stringMatching(
      /^error the certificate "localhost" .* has expired on/,
    ),
    expect.stringMatching(
      /^error the authority "ending" .* has expired on .*whoever it signed for is refused/,
    ),
  ]);
  // Once, for the callers that came in while it was good.
  expect(judged.count).toBe(1);
});

test('at a start only the nearest is said, and a certificate of tomorrow is', async () => {
  const soon = await makeServer(authority, {
    notAfter: new Date(Date.now() + 3 * dayMs),
  });
  const one = await world({
    files: { 'tls.crt': soon.cert, 'tls.key': soon.key },
  });
  expect(one.lines().filter((line) => line.includes('"localhost"'))).toEqual([
    expect.stringMatching(/^warn .*within 7 days/),
  ]);
  const early = await makeServer(authority, {
    notBefore: new Date(Date.now() + dayMs),
    notAfter: new Date(Date.now() + 100 * dayMs),
  });
  const other = await world({
    files: { 'tls.crt': early.cert, 'tls.key': early.key },
  });
  expect(other.lines()[0]).toMatch(
    /^error .*is valid only from .* on: .*clock/,
  );
});

test('a client certificate that ends soon is said once a day for each subject, and memory is bounded', () => {
  const lines: string[] = [];
  let nowMs = Date.now();
  const seen = tellClientExpiry(
    pino({}, { write: (line: string) => void lines.push(line) }),
    () => nowMs,
  );
  const shown = (printed: string, days: number) => ({
    commonName: null,
    dns: [],
    uri: [],
    email: [],
    printed,
    notAfterMs: nowMs + days * dayMs,
  });
  seen(shown('cn:"a"', 31));
  expect(lines).toHaveLength(0);
  for (let requests = 0; requests < 100; requests += 1) {
    seen(shown('cn:"a"', 29));
    seen(shown('cn:"b"', 29));
  }
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain(
    'a client certificate in use (cn:\\"a\\") expires on',
  );
  nowMs += dayMs + 1;
  seen(shown('cn:"a"', 28));
  expect(lines).toHaveLength(3);
  for (let subject = 0; subject < 1_000; subject += 1) {
    seen(shown(`cn:"${subject}"`, 1));
  }
  // Forgotten behind a thousand others.
  seen(shown('cn:"a"', 28));
  expect(lines).toHaveLength(1_004);
  seen(shown('cn:"999"', 1));
  expect(lines).toHaveLength(1_004);
});
