import { createPublicKey, ECDH, randomUUID } from 'node:crypto';
import {
  chmod,
  mkdtemp,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseAllowedSchemas } from '../../../src/cli/jwt/allowed-schemas.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import { type CommandRun, runCommandLine } from '../../support/captured-io.ts';
import {
  claimName,
  ecKey,
  rsaKey,
  type TestKey,
} from '../../support/tokens.ts';

interface Folder {
  readonly path: string;
  /** Held open, as a daemon holds it. */
  readonly store: StagingStore;
  readonly run: (...argv: string[]) => Promise<CommandRun>;
  readonly file: (name: string, text: string) => Promise<string>;
}

async function folder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'replicator-jwt-'));
  const dataDir = join(path, 'data');
  const store = openSqliteStore({ dataDir, exclusive: true });
  onTestFinished(() => rm(path, { recursive: true }));
  onTestFinished(() => store[Symbol.asyncDispose]());
  return {
    path,
    store,
    run: (...argv) => runCommandLine([...argv, `--dataDir=${dataDir}`]),
    async file(name, text) {
      const to = join(path, name);
      await writeFile(to, text, { mode: 0o600 });
      return to;
    },
  };
}

/** None of the lines that make up a private key, in anything printed. */
function expectNoSecret(run: CommandRun, privatePem: string): void {
  for (const line of privatePem.trim().split('\n').slice(1, -1)) {
    expect(run.stdout + run.stderr).not.toContain(line);
  }
}

describe('make-jwt', () => {
  test.each([
    ['ES256', () => ecKey()],
    ['ES384', () => ecKey('P-384', 'ES384')],
    ['ES512', () => ecKey('P-521', 'ES512')],
    ['RS256', () => rsaKey()],
  ])(
    'signs with %s, as the key says, and prints the token alone',
    async (algorithm, make) => {
      const { file } = await folder();
      const key: TestKey = make();
      const run = await runCommandLine([
        'make-jwt',
        '-a=shop.public',
        '--allow=shop.*',
        '-a',
        '_.diag',
        `-k=${await file('key.pem', key.privatePem)}`,
        '--expires=1h',
        '--audience=us',
        '--id=t1',
      ]);
      expect(run.exitCode).toBe(0);
      expect(run.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
      expectNoSecret(run, key.privatePem);
      const token = run.stdout.trim();
      expect(decodeProtectedHeader(token)).toEqual({
        alg: algorithm,
        typ: 'JWT',
      });
      const { payload } = await jwtVerify(
        token,
        createPublicKey(key.publicPem),
      );
      expect(payload).toMatchObject({
        jti: 't1',
        iss: 'replicator',
        aud: 'us',
        exp: payload.iat! + 3600,
        [claimName]: {
          schemas: [
            ['shop', 'public'],
            ['shop', '*'],
            ['_', 'diag'],
          ],
        },
      });
      expect(run.stderr).toContain('Token "t1"');
      expect(run.stderr).toContain('good for 1h');
      expect(run.stderr).not.toContain('warning');
    },
  );

  test('makes tokens with ids of their own, without end unless that is said', async () => {
    const { file } = await folder();
    const path = await file('key.pem', ecKey().privatePem);
    const make = async (): Promise<string> =>
      (await runCommandLine(['make-jwt', '-a', 's', '-k', path])).stdout.trim();
    const [one, other] = [decodeJwt(await make()), decodeJwt(await make())];
    expect(one.jti).not.toBe(other.jti);
    expect(one).not.toHaveProperty('exp');
    expect(one).not.toHaveProperty('aud');
  });

  test('writes to a file that only its owner may read, whatever it was before', async () => {
    const { file, path } = await folder();
    const key = await file('key.pem', ecKey().privatePem);
    const out = join(path, 'token');
    await writeFile(out, 'x'.repeat(5000), { mode: 0o644 });
    const run = await runCommandLine([
      'make-jwt',
      '-a=s.p',
      `-k=${key}`,
      `-o=${out}`,
    ]);
    expect(run).toMatchObject({ exitCode: 0, stdout: '' });
    expect((await readFile(out, 'utf8')).split('.')).toHaveLength(3);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
  });

  test('prints claims for an issuer of others, without a key', async () => {
    const run = await runCommandLine(['make-jwt', '--claim', '-a=a.b,c.d']);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      [claimName]: {
        schemas: [
          ['a', 'b'],
          ['c', 'd'],
        ],
      },
    });
  });

  test('warns where others may read the key', async () => {
    const { file } = await folder();
    const path = await file('key.pem', ecKey().privatePem);
    await chmod(path, 0o640);
    const run = await runCommandLine(['make-jwt', '-a=s.p', `-k=${path}`]);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toContain(`chmod 600 ${path}`);
  });

  test.each([
    ['a public key', (key: TestKey) => key.publicPem, 'no private key'],
    ['no key', () => 'hush, a secret', 'no private key'],
    [
      'a damaged key',
      (key: TestKey) => key.privatePem.replace(/\n.{12}/, '\n'),
      'is damaged',
    ],
    [
      'an encrypted key',
      () =>
        '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIG\n-----END ENCRYPTED PRIVATE KEY-----\n',
      'is encrypted',
    ],
    ['a short key', () => rsaKey(1024).privatePem, 'an RSA key of 1024 bits'],
    [
      'a key of another curve',
      () => ecKey('secp256k1').privatePem,
      'the curve secp256k1',
    ],
  ])(
    'refuses %s, and says nothing of what is in the file',
    async (_, text, reason) => {
      const { file } = await folder();
      const content = text(ecKey());
      const path = await file('key.pem', content);
      const run = await runCommandLine(['make-jwt', '-a=s.p', `-k=${path}`]);
      expect(run.exitCode).toBe(1);
      expect(run.stdout).toBe('');
      expect(run.stderr).toMatch(/^replicator: E5016 /);
      expect(run.stderr).toContain(reason);
      expectNoSecret(run, content);
      expect(run.stderr).not.toContain('hush');
    },
  );

  test.each([
    [['-a=s.p'], 'E5004 --key is missing'],
    [
      ['-a=s.p', '-k=/nowhere/key'],
      'E5005 --key /nowhere/key cannot be read (ENOENT)',
    ],
    [['-k=/nowhere/key'], 'E5004 --allow is missing'],
    [['--claim', '-a=a..b'], 'E5002 --allow "a..b" is not the name'],
  ])('%j is refused in one line', async (argv, line) => {
    const run = await runCommandLine(['make-jwt', ...argv]);
    expect(run.exitCode).toBeGreaterThan(0);
    expect(run.stderr).toContain(line);
  });
});

test.each([
  ['shop.public', [['shop', 'public']]],
  ['shop/public', [['shop', 'public']]],
  ['shop', [['shop']]],
  [
    '"Odd.Na""me"."a,b",c.*',
    [
      ['Odd.Na"me', 'a,b'],
      ['c', '*'],
    ],
  ],
  [
    ' a.b , c.d ',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
])('--allow %s names %j', (text, schemas) => {
  expect(parseAllowedSchemas(text)).toEqual(schemas);
});

// A token has no word for a schema that is named * itself.
test.each(['.', 'a.', '.a', 'a"b', '"a', 'a b', 'a./b', '""', '"*"', 'a."*"'])(
  '--allow %s names nothing',
  (text) => {
    expect(() => parseAllowedSchemas(text)).toThrow(/E5002|is not the name/);
  },
);

/** The same key with its point in the short form. */
function compressed(publicPem: string): string {
  const der = createPublicKey(publicPem).export({
    type: 'spki',
    format: 'der',
  });
  const point = ECDH.convertKey(
    der.subarray(-65),
    'prime256v1',
    undefined,
    undefined,
    'compressed',
  ) as Buffer;
  const head = Buffer.from(der.subarray(0, -65));
  // The lengths of the whole and of the point.
  head[1]! -= 32;
  head[head.length - 2]! -= 32;
  const body = Buffer.concat([head, point]).toString('base64');
  return `-----BEGIN PUBLIC KEY-----\n${body.match(/.{1,64}/g)!.join('\n')}\n-----END PUBLIC KEY-----\n`;
}

describe('beside a daemon that holds the store, keys', () => {
  test('are made and added at once; the private half is for its owner alone', async () => {
    const { run, store, path } = await folder();
    const out = join(path, 'keys');
    const added = await run('jwt', 'add-key', '--generate', `--out=${out}`);
    expect(added).toMatchObject({ exitCode: 0, stderr: '' });
    const [row] = await store.tokens.keys();
    expect(added.stdout).toContain(`Key ${row!.id} (EC P-256, SHA256:`);
    const privatePath = join(out, 'token-key.pem');
    const privatePem = await readFile(privatePath, 'utf8');
    expect((await stat(privatePath)).mode & 0o777).toBe(0o600);
    expect((await stat(out)).mode & 0o777).toBe(0o700);
    expectNoSecret(added, privatePem);
    expect(
      createPublicKey(privatePem).export({ type: 'spki', format: 'pem' }),
    ).toBe(row!.publicKey);
    expect(await readFile(join(out, 'token-key.pub.pem'), 'utf8')).toBe(
      row!.publicKey,
    );
    const made = await run('make-jwt', '-a=s.p', `-k=${privatePath}`);
    // make-jwt asks no store.
    expect(made.stderr).toContain('--dataDir');
    // A pair that is there is not written over, and then nothing is added.
    const again = await run('jwt', 'add-key', '--generate', `--out=${out}`);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('E5005');
    expect(await store.tokens.keys()).toHaveLength(1);
    expect(await readFile(privatePath, 'utf8')).toBe(privatePem);
  });

  test('are added from a file once, put out of force, back into it, and removed', async () => {
    const { run, store, file } = await folder();
    const key = ecKey();
    const path = await file('key.pub.pem', `A comment\n${key.publicPem}`);
    expect((await run('jwt', 'add-key', `--key=${path}`)).exitCode).toBe(1);
    await file('key.pub.pem', key.publicPem);
    const id = randomUUID();
    const dry = await run('jwt', 'add-key', `-k=${path}`, '--dry-run');
    expect(dry.stdout).toContain('would be added');
    expect(await store.tokens.keys()).toEqual([]);
    const added = await run('jwt', 'add-key', `-k=${path}`, `--id=${id}`);
    expect(added.stdout).toContain(`Key ${id} (EC P-256`);
    expect((await run('jwt', 'add-key', `-k=${path}`)).stdout).toContain(
      `Key ${id}`,
    );
    expect(await store.tokens.keys()).toEqual([
      { id, publicKey: key.publicPem, isActive: true },
    ]);
    const last = await run('jwt', 'deactivate-key', id.toUpperCase());
    expect(last.stdout).toContain('is out of force');
    expect(last.stderr).toContain('every token is refused');
    expect(await store.tokens.keys()).toMatchObject([{ isActive: false }]);
    expect((await run('jwt', 'add-key', `-k=${path}`)).stdout).toContain(
      'is activated',
    );
    expect(await store.tokens.keys()).toMatchObject([{ isActive: true }]);
    const other = await file('other.pem', rsaKey().publicPem);
    expect(
      (await run('jwt', 'add-key', `-k=${other}`, `--id=${id}`)).stderr,
    ).toContain('E5002 there is another key with the id');
    await run('jwt', 'deactivate-key', id, '--remove', '--dry-run');
    expect(await store.tokens.keys()).toHaveLength(1);
    await run('jwt', 'deactivate-key', id, '--remove');
    expect(await store.tokens.keys()).toEqual([]);
    expect((await run('jwt', 'deactivate-key', id)).stderr).toContain(
      `E5002 there is no key with the id ${id}`,
    );
  });

  test('that are known twice are put out of force together, however they are written', async () => {
    const { run, store, file } = await folder();
    const key = ecKey();
    const ids = [randomUUID(), randomUUID(), randomUUID()] as const;
    await store.tokens.addKey(ids[0], key.publicPem);
    await store.tokens.addKey(ids[1], key.publicPem.trim());
    await store.tokens.addKey(ids[2], compressed(key.publicPem));
    const other = randomUUID();
    await store.tokens.addKey(other, ecKey().publicPem);
    const active = async (): Promise<string[]> =>
      (await store.tokens.keys())
        .filter(({ isActive }) => isActive)
        .map(({ id }) => id);
    const dry = await run('jwt', 'deactivate-key', ids[1], '--dry-run');
    const done = await run('jwt', 'deactivate-key', ids[1]);
    for (const id of ids) {
      expect(dry.stdout).toContain(`Key ${id} would be out of force`);
      expect(done.stdout).toContain(`Key ${id} is out of force`);
    }
    expect(await active()).toEqual([other]);
    const path = await file('key.pub.pem', compressed(key.publicPem));
    expect((await run('jwt', 'add-key', `-k=${path}`)).stdout).toContain(
      'is activated',
    );
    expect(await active()).toHaveLength(2);
    await run('jwt', 'deactivate-key', ids[2], '--remove');
    expect((await store.tokens.keys()).map(({ id }) => id)).toEqual([other]);
  });

  test('that are private are refused, and stored nowhere', async () => {
    const { run, store, file } = await folder();
    const key = ecKey();
    const path = await file('key.pem', key.privatePem);
    const refused = await run('jwt', 'add-key', `-k=${path}`);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('E5016 this is a private key');
    expectNoSecret(refused, key.privatePem);
    expect(await store.tokens.keys()).toEqual([]);
  });

  test('and revoked tokens are listed, for the eye and as JSON', async () => {
    const { run, store } = await folder();
    expect((await run('jwt', 'list')).stdout).toBe(
      'No key is known: every token is refused. replicator jwt add-key adds one.\nNo token is revoked.\n',
    );
    const [one, broken] = [randomUUID(), randomUUID()];
    await store.tokens.addKey(one, rsaKey().publicPem);
    await store.tokens.addKey(broken, 'typed by hand');
    await store.tokens.revoke('t1');
    const { stdout } = await run('jwt', 'list');
    expect(stdout).toMatch(new RegExp(`${one}  RSA 2048  yes +SHA256:`));
    expect(stdout).toMatch(new RegExp(`${broken}  - +never +there is no`));
    expect(stdout).toContain('Revoked tokens:\n  "t1"\n');
    const json = JSON.parse((await run('jwt', 'list', '--json')).stdout) as {
      keys: { id: string; active: boolean }[];
      revoked: string[];
    };
    expect(json.revoked).toEqual(['t1']);
    expect(json.keys.map(({ id }) => id)).toEqual([one, broken].toSorted());
  });
});

describe('a token', () => {
  test('is revoked by its id, once', async () => {
    const { run, store } = await folder();
    expect((await run('jwt', 'revoke', 't1', '--dry-run')).stdout).toContain(
      'would be revoked',
    );
    expect(await store.tokens.revokedIds()).toEqual([]);
    expect((await run('jwt', 'revoke', 't1')).stdout).toBe(
      'Token "t1" is revoked. Daemons notice within a minute, or at once on SIGHUP.\n',
    );
    expect((await run('jwt', 'revoke', 't1')).stdout).toContain(
      'revoked already',
    );
    expect(await store.tokens.revokedIds()).toEqual(['t1']);
  });

  test('is not taken whole, and not repeated', async () => {
    const { run, store, file } = await folder();
    const path = await file('key.pem', ecKey().privatePem);
    const made = await runCommandLine([
      'make-jwt',
      '-a=s.p',
      '--id=t7',
      `-k=${path}`,
    ]);
    const token = made.stdout.trim();
    const refused = await run('jwt', 'revoke', token);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('replicator jwt revoke "t7"');
    expect(refused.stderr).not.toContain(token.split('.')[2]);
    expect(await store.tokens.revokedIds()).toEqual([]);
  });
});

test('what is changed is in the audit log, by id and fingerprint', async () => {
  const { run, path, file } = await folder();
  const log = join(path, 'audit.log');
  const key = await file('k.pem', ecKey().publicPem);
  await run('jwt', 'add-key', `-k=${key}`, `--auditLog=${log}`);
  await run('jwt', 'revoke', 't1', `--auditLog=${log}`);
  const records = (await readFile(log, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { action: string; stage: string });
  expect(records.map(({ action, stage }) => `${action} ${stage}`)).toEqual([
    'jwt add-key asked',
    'jwt add-key done',
    'jwt revoke asked',
    'jwt revoke done',
  ]);
});
