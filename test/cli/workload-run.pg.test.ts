import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { createCertificates } from '../../src/lib/certificates.ts';
import { changeRow } from '../support/changed-row.ts';
import { startDaemon } from '../support/daemon.ts';
import { testDatabase } from '../support/test-database.ts';

const program = fileURLToPath(new URL('../../bin/replicator', import.meta.url));

interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onOutput` sees standard output so far at every piece of it. */
async function workloadRun(
  args: readonly string[],
  onOutput: (stdout: string, kill: () => void) => void = () => {},
): Promise<Outcome> {
  const child = spawn(program, ['workload', 'run', ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onOutput(stdout, () => child.kill('SIGINT'));
  });
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => (stderr += text));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, stdout, stderr };
}

test('certificates come from the URL or from files, and every row is verified', async () => {
  const certificates = await createCertificates({
    hosts: ['127.0.0.1'],
    days: 1,
  });
  const folder = await mkdtemp(join(tmpdir(), 'workload-test-'));
  try {
    const pem = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const ca = await pem('ca.pem', certificates.ca.cert);
    await using db = await testDatabase();
    await using daemon = await startDaemon({
      args: [
        `--targetConn=${db.url}`,
        `--tlsCertificate=${await pem('server.pem', certificates.server.cert)}`,
        `--tlsPrivateKey=${await pem('server.key', certificates.server.key)}`,
        `--tlsClientCA=${ca}`,
      ],
    });
    const url = new URL(`${daemon.url}/${db.name}/public`);
    const common = [
      '--targetConn',
      db.url,
      '--createTables',
      '--rate',
      '300',
      '--seconds',
      '1',
      '--failFast',
      '--requestTimeout=60s',
    ];
    const fromFiles = await workloadRun([
      ...common,
      `--url=${url.href}`,
      `--tlsCACertificate=${ca}`,
      `--tlsCertificate=${await pem('client.pem', certificates.client.cert)}`,
      `--tlsPrivateKey=${await pem('client.key', certificates.client.key)}`,
      '--gzip',
    ]);
    expect(fromFiles).toMatchObject({ exitCode: 0, stderr: '' });
    expect(fromFiles.stdout).toMatch(
      /^seed \d+\n\d+s [a-z ]+, \d+ transactions, [^]*\nverified: \d+ rows in 5 tables are equal\n$/,
    );

    url.searchParams.set(
      'ca_cert',
      Buffer.from(certificates.ca.cert).toString('base64'),
    );
    url.searchParams.set(
      'client_cert',
      Buffer.from(certificates.client.cert).toString('base64'),
    );
    url.searchParams.set(
      'client_key',
      Buffer.from(certificates.client.key).toString('base64'),
    );
    const fromUrl = await workloadRun([
      ...common,
      `--url=${url.href}`,
      '--json',
      '--diff',
    ]);
    expect(fromUrl).toMatchObject({ exitCode: 0, stderr: '' });
    const objects = fromUrl.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects[0]).toHaveProperty('seed');
    expect(objects.at(-1)).toMatchObject({ verified: true, violation: null });

    // Without a certificate the daemon does not listen to anybody.
    url.searchParams.delete('client_cert');
    url.searchParams.delete('client_key');
    const stranger = await workloadRun([...common, `--url=${url.href}`]);
    expect(stranger.exitCode).toBe(1);
    expect(stranger.stderr).toMatch(/^replicator: E5011 /);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('SIGINT ends the writing; a row damaged at the target is named, with exit code 1', async () => {
  await using db = await testDatabase();
  await using daemon = await startDaemon({
    args: [`--targetConn=${db.url}`, '--disableAuthentication'],
  });
  const damages: Promise<unknown>[] = [];
  const { exitCode, stdout, stderr } = await workloadRun(
    [
      `--url=${daemon.url}/${db.name}/public`,
      '--targetConn',
      db.url,
      '--createTables',
      '--rate=300',
      '--lookInterval=1h',
    ],
    (text, kill) => {
      if (damages.length === 0 && text.includes('2s writing')) {
        damages.push(
          changeRow(
            db.url,
            'update workload_ledger set row_count = -7 where entry = 1',
          ).then(kill),
        );
      }
    },
  );
  await Promise.all(damages);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /\nworkload_ledger \["1"\]\n {2}source: \["1",.*\n {2}target: \["1",.*"-7"\]\n1 rows differ in 5 tables; /,
  );
  expect(stderr).toMatch(/^replicator: E5010 1 rows differ in 5 tables; .*\n$/);
});

test.for([
  [['--seconds', '1'], 'E5004', 2],
  [['--targetConn', 'postgresql://x', '--url', 'nonsense'], 'E5002', 2],
  [
    ['--targetConn', 'postgresql://x', '--url', 'https://h/only-one'],
    'E5002',
    2,
  ],
  [['--targetConn', 'postgresql://x', '--tlsCertificate', 'a'], 'E5003', 1],
  [
    ['--targetConn', 'postgresql://x', '--tlsCACertificate', '/nowhere.pem'],
    'E5005',
    1,
  ],
] as const)(
  '%j is refused in one line with %s',
  async ([args, code, exitCode]) => {
    const outcome = await workloadRun(args);
    expect(outcome).toMatchObject({ exitCode, stdout: '' });
    expect(outcome.stderr).toMatch(new RegExp(`^replicator: ${code} .*\n$`));
  },
);
