import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCertificates } from '../../../src/lib/certificates.ts';
import { runCommandLine } from '../../support/captured-io.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import {
  type TestDatabase,
  testDatabase,
} from '../../support/test-database.ts';

interface Place extends AsyncDisposable {
  readonly target: TestDatabase;
  readonly daemons: readonly Daemon[];
  /** Flags of the commands that look into staging. */
  readonly staging: readonly string[];
  readonly folder: string;
}

/** Daemons that ask for tokens and say all they can, on one staging store. */
async function place(store: 'sqlite' | 'postgres'): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'replicator-tokens-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const target = stack.use(await testDatabase());
  await target.query('create table item (id int8 primary key, name text)');
  const dataDir = join(folder, 'data');
  const staging =
    store === 'sqlite'
      ? [`--dataDir=${dataDir}`]
      : [`--stagingConn=${target.url}`, `--stagingSchema=${target.name}.stage`];
  const daemons: Daemon[] = [];
  for (let count = 0; count < (store === 'sqlite' ? 1 : 2); count++) {
    daemons.push(
      stack.use(
        await startDaemon({
          ...(store === 'sqlite' && { dataDir }),
          args: [
            '-vv',
            `--targetConn=${target.url}`,
            ...(store === 'sqlite'
              ? []
              : [...staging, '--stagingCreateSchema']),
          ],
        }),
      ),
    );
  }
  const owned = stack.move();
  return {
    target,
    daemons,
    staging,
    folder,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

let clock = BigInt(Date.now()) * 1_000_000n;
function nextTime(): string {
  clock += 1_000_000n;
  return `${clock}.0000000000`;
}

async function send(
  daemon: Daemon,
  path: string,
  id: number,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const row = {
    after: { id, name: `n${id}` },
    key: [id],
    topic: 'item',
    updated: nextTime(),
  };
  const reply = await fetch(`${daemon.url}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ payload: [row], length: 1 }),
  });
  return { status: reply.status, text: await reply.text() };
}

async function statusOf(
  url: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const reply = await fetch(url, { headers });
  await reply.text();
  return reply.status;
}

test.each(['sqlite', 'postgres'] as const)(
  'from the first key to the last revoked token, on %s staging: what is let in is applied, and no token gets into a log',
  async (store) => {
    const here = await place(store);
    onTestFinished(() => here[Symbol.asyncDispose]());
    const { target, daemons, staging, folder } = here;
    const run = async (...argv: string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await runCommandLine(argv);
      expect([exitCode, stderr && exitCode]).toEqual([0, stderr && 0]);
      return stdout.trim();
    };
    const schema = `/${target.name}/public`;
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

    for (const daemon of daemons) {
      expect(daemon.logs()).toContain('no active key');
      expect(await send(daemon, schema, 0)).toMatchObject({ status: 401 });
    }

    const keys = join(folder, 'keys');
    await run('jwt', 'add-key', '--generate', `--out=${keys}`, ...staging);
    const make = (id: string, ...allowed: string[]): Promise<string> =>
      run(
        'make-jwt',
        `--key=${join(keys, 'token-key.pem')}`,
        `--id=${id}`,
        ...allowed.map((name) => `--allow=${name}`),
      );
    const [feed, wide, other, diag] = await Promise.all([
      make('feed', `${target.name}.public`),
      make('wide', '*.public'),
      make('other', 'shop.public'),
      make('diag', '_.diag'),
    ]);
    for (const daemon of daemons) {
      daemon.kill('SIGHUP');
    }
    let id = 0;
    for (const daemon of daemons) {
      await expect
        .poll(
          async () => (await send(daemon, schema, ++id, bearer(feed))).status,
        )
        .toBe(200);
      expect(
        await send(daemon, `${schema}?access_token=${wide}`, ++id),
      ).toEqual({ status: 200, text: 'OK\n' });
      expect((await send(daemon, schema, 1000, bearer(other))).text).toMatch(
        /^E1024 the token is not for the schema .+make-jwt --allow /,
      );
      expect(
        await send(daemon, `${schema}?access_token=${other}`, 1000),
      ).toMatchObject({ status: 403 });
      expect(
        await send(daemon, `${schema}?access_token=${feed}x`, 1000),
      ).toMatchObject({ status: 401 });
    }
    const resolved = await fetch(`${daemons[0]!.url}${schema}`, {
      method: 'POST',
      headers: bearer(feed),
      body: JSON.stringify({ resolved: nextTime() }),
    });
    expect(resolved.status).toBe(200);
    await expect
      .poll(
        async () =>
          (await target.query('select max(id)::int as id from item')).rows[0],
        { timeout: 60_000 },
      )
      .toEqual({ id });

    for (const { metricsUrl } of daemons) {
      const url = `${metricsUrl}/_/diag`;
      expect(await statusOf(url)).toBe(403);
      expect(await statusOf(url, bearer('x.y.z'))).toBe(403);
      expect(await statusOf(url, bearer(feed))).toBe(403);
      expect(await statusOf(`${url}?access_token=${feed}`)).toBe(403);
      expect(await statusOf(`${url}?access_token=${diag}`)).toBe(200);
      expect(await statusOf(url, bearer(diag))).toBe(200);
      expect(await statusOf(`${metricsUrl}/_/healthz`)).toBe(200);
      expect(await statusOf(`${metricsUrl}/_/varz`)).toBe(200);
      const state = (await (
        await fetch(url, { headers: bearer(diag) })
      ).json()) as { auth: unknown };
      expect(state.auth).toMatchObject({ activeKeys: 1, failing: false });
    }

    await run('jwt', 'revoke', 'feed', ...staging);
    for (const daemon of daemons) {
      daemon.kill('SIGHUP');
      await expect
        .poll(
          async () => (await send(daemon, schema, ++id, bearer(feed))).status,
        )
        .toBe(401);
      expect(await send(daemon, schema, ++id, bearer(wide))).toMatchObject({
        status: 200,
      });
    }
    const listed = JSON.parse(
      await run('jwt', 'list', '--json', ...staging),
    ) as { keys: { id: string }[]; revoked: string[] };
    expect(listed.revoked).toEqual(['feed']);
    await run('jwt', 'deactivate-key', listed.keys[0]!.id, ...staging);
    for (const daemon of daemons) {
      daemon.kill('SIGHUP');
      await expect
        .poll(
          async () => (await send(daemon, schema, ++id, bearer(wide))).status,
        )
        .toBe(401);
    }

    const privatePem = await readFile(join(keys, 'token-key.pem'), 'utf8');
    const secrets = [
      ...[feed, wide, other, diag].map((token) => token.split('.')[2]!),
      ...privatePem.trim().split('\n').slice(1, -1),
    ];
    for (const daemon of daemons) {
      const varz = await (await fetch(`${daemon.metricsUrl}/_/varz`)).text();
      expect(varz).toMatch(/^jwt_last_refresh_time \d{10}$/m);
      expect(daemon.logs()).toContain('request refused: E1023');
      for (const secret of secrets) {
        expect(daemon.logs()).not.toContain(secret);
        expect(varz).not.toContain(secret);
      }
    }
  },
  180_000,
);

test.each([
  ['', 200],
  ['_.diag=cn:changefeed', 200],
  ['shop.public=cn:changefeed', 403],
])(
  'on the webhook listener, with the subjects %j, /_/diag answers %i to the certificate, 200 to a token for it, and 403 to all others',
  async (subjects, status) => {
    await using target = await testDatabase();
    const folder = await mkdtemp(join(tmpdir(), 'replicator-tokens-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const { ca, server, client } = await createCertificates({
      hosts: ['localhost', '127.0.0.1'],
      days: 1,
      clientName: 'changefeed',
    });
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const dataDir = join(folder, 'data');
    await using daemon = await startDaemon({
      waitFor: 'nothing',
      dataDir,
      args: [
        '--metricsAddr=',
        `--targetConn=${target.url}`,
        `--tlsCertificate=${await file('server.pem', server.cert)}`,
        `--tlsPrivateKey=${await file('server.key', server.key)}`,
        `--tlsClientCA=${await file('ca.pem', ca.cert)}`,
        ...(subjects === '' ? [] : [`--tlsAllowedSubjects=${subjects}`]),
      ],
    });
    await expect
      .poll(() => daemon.logs(), { timeout: 60_000 })
      .toContain('ready on https://');
    const keys = join(folder, 'keys');
    await runCommandLine([
      'jwt',
      'add-key',
      '--generate',
      `--out=${keys}`,
      `--dataDir=${dataDir}`,
    ]);
    const { stdout } = await runCommandLine([
      'make-jwt',
      `--key=${join(keys, 'token-key.pem')}`,
      '--allow=_.diag',
    ]);
    const get = (
      path: string,
      pair: { cert?: string; key?: string },
      headers: Record<string, string> = {},
    ): Promise<number> =>
      new Promise((resolve, reject) => {
        https
          .get(
            `${daemon.url}${path}`,
            { ca: ca.cert, agent: false, headers, ...pair },
            (reply) => {
              reply.resume();
              resolve(reply.statusCode ?? 0);
            },
          )
          .once('error', reject);
      });
    expect(await get('/_/diag', client)).toBe(status);
    expect(await get('/_/diag', {})).toBe(403);
    expect(await get('/_/healthz', {})).toBe(200);
    expect(await get('/_/varz', {})).toBe(200);
    const authorization = `Bearer ${stdout.trim()}`;
    expect(
      await get('/_/diag', {}, { authorization: `${authorization}x` }),
    ).toBe(403);
    daemon.kill('SIGHUP');
    await expect
      .poll(() => get('/_/diag', {}, { authorization }), { timeout: 30_000 })
      .toBe(200);
    expect(await get(`/_/diag?access_token=${stdout.trim()}`, {})).toBe(200);
    // It may look; it is no certificate for a changefeed.
    expect(await get('/shop/public', {}, { authorization })).toBe(401);
  },
  120_000,
);
