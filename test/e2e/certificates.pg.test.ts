import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { runCommandLine } from '../support/captured-io.ts';
import { startDaemon } from '../support/daemon.ts';
import { testDatabase } from '../support/test-database.ts';

const lookingMs = { timeout: 60_000, interval: 200 };

interface Set {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

async function made(folder: string): Promise<Set> {
  const run = await runCommandLine([
    'make-certs',
    '--yes',
    '--host=127.0.0.1',
    '--clientName=feed-shop',
    `--out=${folder}`,
  ]);
  expect(run.exitCode).toBe(0);
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  return {
    cert: await read('client.pem'),
    key: await read('client.key'),
    ca: await read('ca.pem'),
  };
}

/** The fingerprint that a new connection is shown. */
async function shown(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(
    { port, host: '127.0.0.1', rejectUnauthorized: false },
    () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    },
  ).on('error', reject);
  return await promise;
}

test('a daemon takes over the files of its authority and server while rows come in, and none is lost', async () => {
  await using db = await testDatabase();
  await db.query('create table account (id int8 primary key)');
  const folder = await mkdtemp(join(tmpdir(), 'replicator-certs-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const old = await made(join(folder, 'served'));
  const next = await made(join(folder, 'next'));
  const served = (name: string) => join(folder, 'served', name);
  const both = join(folder, 'both.pem');
  await writeFile(both, old.ca);
  await using daemon = await startDaemon({
    args: [
      `--targetConn=${db.url}`,
      `--tlsCertificate=${served('server.pem')}`,
      `--tlsPrivateKey=${served('server.key')}`,
      `--tlsClientCA=${both}`,
      `--tlsAllowedSubjects=${db.name}.public=cn:feed-shop`,
    ],
  });

  let id = 0;
  const post = async (
    agent: https.Agent,
    path = `/${db.name}/public`,
  ): Promise<{ status: number; text: string }> => {
    id += 1;
    const nanos = 1_700_000_000_000_000_000n + BigInt(id);
    const body = JSON.stringify({
      payload: [
        {
          after: { id },
          key: [id],
          topic: 'account',
          updated: `${nanos}.0000000000`,
        },
      ],
      length: 1,
    });
    return await new Promise((resolve, reject) => {
      https
        .request(daemon.url + path, { method: 'POST', agent }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, text }),
          );
        })
        .on('error', reject)
        .end(body);
    });
  };
  const agentOf = (identity: Set): https.Agent => {
    const agent = new https.Agent({
      cert: identity.cert,
      key: identity.key,
      ca: old.ca + next.ca,
      keepAlive: true,
      maxSockets: 2,
    });
    onTestFinished(() => agent.destroy());
    return agent;
  };
  const feed = agentOf(old);
  const refusals: string[] = [];
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      const { status, text } = await post(feed);
      if (status !== 200) {
        refusals.push(`${status} ${text}`);
      }
    }
  })();
  const elsewhere = await post(agentOf(old), `/${db.name}/other`);
  expect(elsewhere.status).toBe(403);
  expect(elsewhere.text).toContain(
    `E1024 the client certificate shows cn:"feed-shop", which --tlsAllowedSubjects does not let send to ${db.name}.other`,
  );
  expect(await post(agentOf(next))).toMatchObject({ status: 401 });

  // The new authority beside the old one, then the new server certificate:
  // first its half alone.
  const first = await shown(daemon.port);
  await writeFile(both, old.ca + next.ca);
  await writeFile(
    served('server.pem'),
    await readFile(join(folder, 'next', 'server.pem')),
  );
  await expect
    .poll(() => daemon.logs(), lookingMs)
    .toMatch(/E5018 --tlsPrivateKey .* is not the key of/);
  expect(await shown(daemon.port)).toBe(first);
  await writeFile(
    served('server.key'),
    await readFile(join(folder, 'next', 'server.key')),
  );
  await expect.poll(() => shown(daemon.port), lookingMs).not.toBe(first);
  await expect
    .poll(async () => (await post(agentOf(next))).status, lookingMs)
    .toBe(200);
  const complaints = daemon.logs().match(/the certificates stay as/g);
  expect(complaints).toHaveLength(1);

  // Neither reload has cost a request of the feed that went on.
  isOver = true;
  await sending;
  expect(refusals).toEqual([]);
  expect(await post(feed)).toMatchObject({ status: 200 });

  // The old authority goes: its feed is out, on the connections it has too.
  await writeFile(both, next.ca);
  daemon.kill('SIGHUP');
  await expect
    .poll(
      () =>
        post(feed).then(
          ({ status }) => status,
          () => 0,
        ),
      lookingMs,
    )
    .toBe(401);
  expect(await post(agentOf(next))).toMatchObject({ status: 200 });
  const varz = await (await fetch(`${daemon.metricsUrl}/_/varz`)).text();
  expect(varz).toMatch(
    /^replicator_certificate_expiry_timestamp_seconds\{role="server",subject="127\.0\.0\.1",fingerprint="[\da-f]{16}"\} \d{10}$/m,
  );
  expect(varz.match(/^replicator_\w+\{role="client_ca"/gm)).toHaveLength(1);
  expect(varz).toMatch(/^replicator_certificate_reload_failing 0$/m);
});
