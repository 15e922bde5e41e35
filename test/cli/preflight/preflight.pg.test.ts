import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { openStaging } from '../../../src/staging/open.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import { runCommandLine } from '../../support/captured-io.ts';
import { testDatabase } from '../../support/test-database.ts';
import { ecKey } from '../../support/tokens.ts';

const folder = mkdtempSync(join(tmpdir(), 'replicator-preflight-'));
afterAll(() => rmSync(folder, { recursive: true }));
let dataDir: string;
beforeEach(() => {
  dataDir = join(folder, Math.random().toString(36).slice(2));
});

const safe = [
  '--tlsSelfSigned',
  '--disableAuthentication',
  '--stagingMaxBytes=1MiB',
  '--targetMaxPoolSize=20',
];

async function preflight(...argv: string[]) {
  const run = await runCommandLine([
    'preflight',
    `--dataDir=${dataDir}`,
    ...safe,
    ...argv,
  ]);
  expect(run.stderr).toBe('');
  const lines = run.stdout.trimEnd().split('\n');
  return { exitCode: run.exitCode, lines };
}

test('where all is well it says so, and writes nothing', async () => {
  await using db = await testDatabase();
  await db.query('create table orders (id int8 primary key)');
  const before = await db.query('select count(*) from pg_class');
  const { exitCode, lines } = await preflight(`--targetConn=${db.url}`);
  expect(exitCode).toBe(0);
  expect(lines.filter((line) => !line.startsWith('warn  options'))).toEqual([
    expect.stringMatching(
      /^ok {4}target {2}PostgreSQL \d+\S* answers at \S+\/test_/,
    ),
    `ok    target  1 table in 1 schema; webhook paths: /${db.name}/public`,
    'ok    staging there is no store of this version yet: start makes it',
    expect.stringMatching(
      /^preflight: nothing stands in the way(; \d+ warnings? to read)?$/,
    ),
  ]);
  expect(readdirSync(folder)).toEqual([]);
  const after = await db.query('select count(*) from pg_class');
  expect(after.rows).toEqual(before.rows);
});

test('tables that changes could not be applied to are named with the remedy', async () => {
  await using db = await testDatabase();
  await db.query(`
    create table log (line text);
    create table "Odd Name" (id int8 primary key);
    create table ok (id int8 primary key);
    create schema shut; create table shut.t (id int8 primary key);
    create role ${db.name}_app login password 'secret';
    grant select, insert, update, delete on log, ok to ${db.name}_app;
    grant select on "Odd Name" to ${db.name}_app;`);
  try {
    const url = new URL(db.url);
    url.username = `${db.name}_app`;
    url.password = 'secret';
    const { lines } = await preflight(`--targetConn=${url.href}`);
    expect(lines.at(-1)).toMatch(/^preflight: nothing stands in the way/);
    expect(lines.filter((line) => line.startsWith('warn  target'))).toEqual([
      'warn  target  public.log has no primary key, so what a changefeed brings of it would be refused: add the primary key of the source if it is replicated',
      `warn  target  the account may not use the schema shut: GRANT USAGE ON SCHEMA "shut" TO "${db.name}_app";`,
      `warn  target  the account may not create replicator_checkpoint in /${db.name}/public: changes are applied effectively once instead of exactly once, and a second daemon is not fenced off: GRANT CREATE ON SCHEMA "public" TO "${db.name}_app";`,
      `warn  target  the account may not create replicator_checkpoint in /${db.name}/shut: changes are applied effectively once instead of exactly once, and a second daemon is not fenced off: GRANT CREATE ON SCHEMA "shut" TO "${db.name}_app";`,
      `warn  target  the account lacks INSERT, UPDATE, DELETE on public."Odd Name": GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."Odd Name" TO "${db.name}_app";`,
      `warn  target  the account lacks SELECT, INSERT, UPDATE, DELETE on shut.t: GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "shut"."t" TO "${db.name}_app";`,
    ]);
  } finally {
    await db.query(`drop owned by ${db.name}_app; drop role ${db.name}_app`);
  }
});

test('many tables with one fault are not a wall of lines', async () => {
  await using db = await testDatabase();
  await db.query(
    Array.from(
      { length: 25 },
      (_, index) => `create table t${index} (x int)`,
    ).join(';'),
  );
  const { lines } = await preflight(`--targetConn=${db.url}`);
  const keyless = lines.filter((line) =>
    /no primary key|same holds/.test(line),
  );
  expect(keyless).toHaveLength(21);
  expect(keyless.at(-1)).toContain('the same holds for 5 more tables');
});

test('a target that does not answer is an error, and staging is looked at still', async () => {
  const { exitCode, lines } = await preflight(
    '--targetConn=postgresql://u:hunter2@127.0.0.1:1/db',
  );
  expect(exitCode).toBe(1);
  expect(lines).toEqual([
    expect.any(String),
    expect.any(String),
    expect.stringMatching(
      /^error target {2}E4001 .*: check that the target database answers, and --targetConn$/,
    ),
    'ok    staging there is no store of this version yet: start makes it',
    'preflight: something stands in the way; the lines marked error say what',
  ]);
  expect(lines.join()).not.toContain('hunter2');
});

test('a database that does not exist, or is of no kind that is supported, is an error', async () => {
  await using db = await testDatabase();
  const missing = await preflight(`--targetConn=${db.url}_missing`);
  expect(missing.exitCode).toBe(1);
  const other = await preflight('--targetConn=mongodb://h/db');
  expect(other.exitCode).toBe(1);
  expect(other.lines.join('\n')).toContain('error target  E4014');
});

test('a standby or read-only server is an error', async () => {
  await using db = await testDatabase();
  const url = new URL(db.url);
  url.searchParams.set('options', '-c default_transaction_read_only=on');
  const { exitCode, lines } = await preflight(`--targetConn=${url.href}`);
  expect(exitCode).toBe(1);
  expect(lines).toContain(
    'error target  the server is read-only or a standby: give the address of the primary in --targetConn',
  );
});

test('a pool that the server cannot fill is named with the number that fits', async () => {
  await using db = await testDatabase();
  const { lines } = await preflight(
    `--targetConn=${db.url}`,
    '--targetMaxPoolSize=100000',
  );
  expect(lines.join('\n')).toMatch(
    /warn {2}target {2}--targetMaxPoolSize 100000 is more than the \d+ connections that the account may open: lower it to \d+/,
  );
  const many = await preflight(
    `--targetConn=${db.url}`,
    '--targetMaxPoolSize=100000',
    '--parallelism=50000',
  );
  expect(many.exitCode).toBe(1);
});

test('a staging store that is there answers with what it holds', async () => {
  await using db = await testDatabase();
  const pool = {
    idleTimeMs: 1000,
    jitterTimeMs: 0,
    maxLifetimeMs: 0,
    maxPoolSize: 2,
  };
  const store = await openStaging({
    stagingConn: null,
    dataDir,
    stagingSchema: '_replicator.public',
    createSchema: false,
    pool,
  });
  const { lines } = await preflight(`--targetConn=${db.url}`);
  await store[Symbol.asyncDispose]();
  expect(lines).toContain(
    `ok    staging the store under ${dataDir} answers and is of this version; it holds 0 rows`,
  );
});

test('a data directory that cannot be used is an error', async () => {
  await using db = await testDatabase();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { exitCode, lines } = await preflight(
    `--targetConn=${db.url}`,
    `--dataDir=${file}/below`,
  );
  rmSync(file);
  expect(exitCode).toBe(1);
  expect(lines.join('\n')).toContain('error staging E5009');
});

test('a staging schema that is missing is an error unless start may create it', async () => {
  await using db = await testDatabase();
  const argv = [
    `--targetConn=${db.url}`,
    `--stagingConn=${db.url}`,
    `--stagingSchema=${db.name}.nowhere`,
  ];
  const refused = await preflight(...argv);
  expect(refused.exitCode).toBe(1);
  expect(refused.lines.join('\n')).toContain('error staging E2004');
  const created = await preflight(...argv, '--stagingCreateSchema');
  expect(created.exitCode).toBe(0);
});

test('a staging schema beside the target is no target of a feed', async () => {
  await using db = await testDatabase();
  await db.query('create schema stage; create table stage.log (x int)');
  const { lines } = await preflight(
    `--targetConn=${db.url}`,
    `--stagingConn=${db.url}`,
    `--stagingSchema=${db.name}.stage`,
    '--stagingCreateSchema',
  );
  expect(lines.join('\n')).toContain(
    'warn  target  the database has no tables',
  );
});

test('the same command line as start may be tried out', async () => {
  await using db = await testDatabase();
  const { exitCode, lines } = await preflight(
    `--targetConn=${db.url}`,
    '--flushSize=7',
    '--immediate',
    '--bindAddr=127.0.0.1:1',
  );
  expect(exitCode).toBe(0);
  expect(lines[0]).toContain('warn  options --disableAuthentication');
});

test('a store without keys is named where callers are asked for tokens', async () => {
  await using db = await testDatabase();
  await using store = openSqliteStore({ dataDir, exclusive: true });
  const told = async (): Promise<boolean> => {
    const { stdout, exitCode } = await runCommandLine([
      'preflight',
      `--dataDir=${dataDir}`,
      `--targetConn=${db.url}`,
      '--bindAddr=127.0.0.1:1',
    ]);
    expect(exitCode).toBe(0);
    return stdout.includes('no key is active');
  };
  expect(await told()).toBe(true);
  const key = ecKey();
  await store.tokens.addKey(key.id, key.publicPem);
  expect(await told()).toBe(false);
  await store.tokens.setKeyActive(key.id, false);
  expect(await told()).toBe(true);
});

test.each([
  [
    [],
    'E5007 other machines reach --bindAddr :26258, and without TLS rows would travel in cleartext: give --tlsCertificate and --tlsPrivateKey',
  ],
  [
    ['--tlsSelfSigned', '--authentication=certificate'],
    'E5003 --authentication certificate asks for client certificates, and without --tlsClientCA none could be verified: give --tlsClientCA',
  ],
  [
    ['--tlsCertificate=c', '--disableAuthentication'],
    'E5003 --tlsCertificate is given without --tlsPrivateKey: give --tlsPrivateKey too',
  ],
  [
    ['--tlsCertificate=/no/c', '--tlsPrivateKey=/no/k', '--tlsClientCA=/no/a'],
    'E5005 ',
  ],
  [
    [
      '--tlsCertificate=package.json',
      '--tlsPrivateKey=package.json',
      '--tlsClientCA=package.json',
    ],
    'E5018 --tlsCertificate package.json holds no certificate in PEM form',
  ],
])('what start refuses is an error: %j', async (argv, line) => {
  await using db = await testDatabase();
  const run = await runCommandLine([
    'preflight',
    `--dataDir=${dataDir}`,
    `--targetConn=${db.url}`,
    ...argv,
  ]);
  expect(run.exitCode).toBe(1);
  expect(run.stdout).toContain(`error options ${line}`);
  expect(run.stdout).toContain('preflight: something stands in the way');
});

test('certificates that are over, or that others can read the key of, are warned about', async () => {
  await using db = await testDatabase();
  const certs = join(folder, 'certs');
  await runCommandLine(['make-certs', '--host=a', '--days=6', '--out', certs]);
  chmodSync(join(certs, 'server.key'), 0o644);
  const run = await runCommandLine([
    'preflight',
    `--dataDir=${dataDir}`,
    `--targetConn=${db.url}`,
    `--tlsCertificate=${certs}/server.pem`,
    `--tlsPrivateKey=${certs}/server.key`,
    `--tlsClientCA=${certs}/ca.pem`,
  ]);
  expect(run.exitCode).toBe(0);
  expect(run.stdout.split('\n').slice(0, 3)).toEqual([
    expect.stringMatching(/^warn  options --tlsPrivateKey .*chmod 600$/),
    expect.stringMatching(
      /^warn  options the certificate "a" in --tlsCertificate expires on .*within 7 days/,
    ),
    expect.stringMatching(
      /^warn  options the authority "Replicator private authority" in --tlsClientCA expires on/,
    ),
  ]);
});

test('a rule that may take rows away in silence is an error, and one of the reader is none', async () => {
  await using db = await testDatabase();
  await db.query(`
    create table item (id int8 primary key);
    create table other (id int8 primary key);
    create rule "No more" as on insert to item do instead nothing;
    create rule off as on delete to other do instead nothing;
    alter table other disable rule off`);
  await db.query('create view seen as select * from other');
  const { exitCode, lines } = await preflight(`--targetConn=${db.url}`);
  expect(exitCode).toBe(1);
  expect(lines.filter((line) => line.includes(' rule '))).toEqual([
    expect.stringMatching(
      /^error target {2}public\.item has the rule "No more":/,
    ),
  ]);
});
