import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import {
  type TestDatabase,
  testDatabase,
} from '../../support/test-database.ts';

const folder = mkdtempSync(join(tmpdir(), 'replicator-start-'));
const dataDir = join(folder, 'data');
let db: TestDatabase;
let usedPort: number;
const listener = createServer();

beforeAll(async () => {
  writeFileSync(join(folder, 'file'), '');
  db = await testDatabase();
  await db.query('create table orders (id int8 primary key)');
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  usedPort = (listener.address() as AddressInfo).port;
});

afterAll(async () => {
  listener.close();
  await db[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const safe = [
  '--bindAddr=127.0.0.1:0',
  '--tlsSelfSigned',
  '--disableAuthentication',
];

/** The test database's address with something changed. */
function address(change: (url: URL) => void): string {
  const url = new URL(db.url);
  change(url);
  return url.href;
}

const target = (change: (url: URL) => void) => [
  ...safe,
  `--targetConn=${address(change)}`,
];
const staging = (change: (url: URL) => void) => [
  ...target(() => {}),
  `--stagingConn=${address(change)}`,
  `--stagingSchema=${db.name}.stage`,
];

describe('a start that cannot work is one line with the remedy, exit code 1, and nothing written', () => {
  test.each<[string, () => string[], RegExp]>([
    [
      'an unknown host',
      () => target((url) => (url.hostname = 'no.such.invalid')),
      /^E4001 the target no\.such\.invalid:\d+\/\w+ cannot be reached \(.+\): check that the target database answers, and --targetConn$/,
    ],
    [
      'a wrong database',
      () => target((url) => (url.pathname = '/nowhere')),
      /^E4015 database "nowhere" does not exist .*: check user, password and database in --targetConn/,
    ],
    [
      'a role that does not exist',
      () => target((url) => (url.username = 'nobody_here')),
      /^E4015 .*: check user, password and database in --targetConn/,
    ],
    [
      'TLS that the server does not have',
      () => target((url) => url.searchParams.set('sslmode', 'require')),
      /^E4001 the target \S+ has no TLS, .*: turn ssl on at the server/,
    ],
    [
      'a port in use',
      () => [...target(() => {}), `--bindAddr=127.0.0.1:${usedPort}`],
      /^E5006 cannot listen on --bindAddr 127\.0\.0\.1:\d+ \(EADDRINUSE\): choose another/,
    ],
    [
      'a metrics port in use',
      () => [...target(() => {}), `--metricsAddr=127.0.0.1:${usedPort}`],
      /^E5006 cannot listen on --metricsAddr 127\.0\.0\.1:\d+ \(EADDRINUSE\): choose another/,
    ],
    [
      'a certificate that is not there',
      () => [
        `--targetConn=${db.url}`,
        '--disableAuthentication',
        '--tlsCertificate=/no/c',
        '--tlsPrivateKey=/no/k',
      ],
      /^E5005 --tlsCertificate: \/no\/c cannot be read \(ENOENT\): check the path/,
    ],
    [
      'a data directory below nothing',
      () => [...target(() => {}), `--dataDir=${folder}/no/such`],
      /^E5009 the data directory \S+\/no\/such cannot be made: \S+\/no does not exist: make the directory above it first/,
    ],
    [
      'a data directory that is a file',
      () => [...target(() => {}), `--dataDir=${folder}/file`],
      /^E5009 the data directory \S+\/file is not a directory: check --dataDir/,
    ],
    [
      'a staging schema that is missing',
      () => staging(() => {}),
      /^E2004 the staging schema "stage" does not exist .*: create it, or start once with --stagingCreateSchema$/,
    ],
    [
      'a staging database that is missing',
      () => staging((url) => (url.pathname = '/nowhere')),
      /^E2001 staging: database "nowhere" does not exist .*: check user, password and database in --stagingConn/,
    ],
    [
      'an unsafe setting',
      () => [`--targetConn=${db.url}`],
      /^E5007 other machines reach --bindAddr/,
    ],
  ])('%s', async (_, argv, line) => {
    const run = await runCommandLine([
      'start',
      `--dataDir=${dataDir}`,
      ...argv(),
    ]);
    expect(run).toMatchObject({ exitCode: 1, stdout: '' });
    expect(run.stderr).toMatch(/^replicator: [^\n]*\n$/);
    expect(run.stderr.slice('replicator: '.length, -1)).toMatch(line);
    expect(readdirSync(folder)).toEqual(['file']);
    const { rows } = await db.query(
      `select nspname from pg_namespace where nspname = 'stage'
       union all select relname from pg_class where relname like 'replicator%'`,
    );
    expect(rows).toEqual([]);
  });
});

test.each([
  ['target', (url: string) => [`--targetConn=${url}`]],
  [
    'staging',
    (url: string) => [`--targetConn=${db.url}`, `--stagingConn=${url}`],
  ],
])(
  'a signal ends the wait for a silent %s, and nothing is written',
  async (_, argv) => {
    await using silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const connected = once(silent, 'connection');
    const stop = new AbortController();
    const starting = runCommandLine(
      [
        'start',
        ...safe,
        `--dataDir=${dataDir}`,
        ...argv(`postgresql://u@127.0.0.1:${port}/d?connect_timeout=600`),
      ],
      { signal: stop.signal },
    );
    const [socket] = (await connected) as [Socket];
    stop.abort();
    expect(await starting).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(readdirSync(folder)).toEqual(['file']);
    socket.destroy();
  },
);
