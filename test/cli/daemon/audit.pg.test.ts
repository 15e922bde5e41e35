/** Every place that changes state writes down what it did, and who asked. */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { auditStatus } from '../../../src/pipeline/watching/audited-status.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { createAudit } from '../../../src/telemetry/audit.ts';
import { runCommandLine } from '../../support/captured-io.ts';
import { startDaemon } from '../../support/daemon.ts';
import { startSlotServer } from '../../support/slot-house.ts';
import { testDatabase } from '../../support/test-database.ts';

interface AuditRecord {
  readonly id: string;
  readonly stage: string;
  readonly action: string;
  readonly by: Readonly<Record<string, unknown>>;
  readonly what: Readonly<Record<string, unknown>>;
}

const timeoutMs = 300_000;
const pollMs = { timeout: 60_000, interval: 200 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replicator-audit-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const log = (): string => join(folder, 'audit.log');

async function records(action?: string): Promise<AuditRecord[]> {
  const text = await readFile(log(), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditRecord)
    .filter((record) => action === undefined || record.action === action);
}

const stages = async (action: string): Promise<string[]> =>
  (await records(action)).map(({ stage }) => stage);

async function run(...argv: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommandLine(argv, {
    env: { REPLICATOR_AUDIT_LOG: log() },
  });
  expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
  return stdout.trim();
}

/** As the account that runs this test. */
const here = {
  user: userInfo().username,
  host: hostname(),
  process: expect.any(Number),
};

async function expectCommand(action: string, what: object): Promise<void> {
  const [asked, done, ...more] = await records(action);
  expect(more).toEqual([]);
  expect(asked).toMatchObject({
    stage: 'asked',
    by: { kind: 'command', ...here },
    what,
  });
  expect(done).toMatchObject({ stage: 'done', id: asked!.id });
}

test(
  'a daemon and the commands at its staging say what they changed, and who asked',
  { timeout: timeoutMs },
  async () => {
    await using target = await testDatabase();
    await target.query(`
      create table item (id int8 primary key, v text check (v <> 'bad'));
      create table odd (id int8 primary key, v jsonpath)`);
    const schema = `${target.name}.public`;
    const staging = [
      `--stagingConn=${target.url}`,
      `--stagingSchema=${target.name}.staging`,
    ];
    await using daemon = await startDaemon({
      args: [
        `--targetConn=${target.url}`,
        ...staging,
        '--stagingCreateSchema',
        '--onRowError=deadLetter',
        `--auditLog=${log()}`,
      ],
    });
    await expect.poll(() => stages('start'), pollMs).toHaveLength(2);
    const [started, ready] = await records('start');
    expect(started).toMatchObject({
      stage: 'asked',
      by: { kind: 'daemon', ...here },
      what: {
        command: 'start',
        version: expect.any(String),
        options: { onRowError: 'deadLetter' },
      },
    });
    expect(ready).toMatchObject({ stage: 'done', id: started!.id });

    const keys = join(folder, 'keys');
    await run('jwt', 'add-key', '--generate', `--out=${keys}`, ...staging);
    await expectCommand('jwt add-key', {});
    const token = await run(
      'make-jwt',
      `--key=${join(keys, 'token-key.pem')}`,
      '--id=feed-7',
      `--allow=${schema}`,
    );
    let clock = BigInt(Date.now() - 60_000) * 1_000_000n;
    const nextTime = (): string => {
      clock += 1_000_000n;
      return `${clock}.0000000000`;
    };
    const post = async (body: object): Promise<number> => {
      const reply = await fetch(`${daemon.url}/${target.name}/public`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
      await reply.text();
      return reply.status;
    };
    const send = async (
      topic: string,
      id: number,
      v: string,
    ): Promise<void> => {
      const row = { topic, updated: nextTime(), key: [id], after: { id, v } };
      await expect
        .poll(() => post({ payload: [row], length: 1 }), pollMs)
        .toBe(200);
      await post({ resolved: nextTime() });
    };
    daemon.kill('SIGHUP');
    await send('item', 1, 'good');
    await send('item', 2, 'bad');
    await send('item', 3, 'bad');
    expect(await records('caller let in')).toEqual([
      expect.objectContaining({
        stage: 'noted',
        by: { kind: 'caller', name: 'token "feed-7"', ...here },
        what: { schema },
      }),
    ]);
    await expect
      .poll(() => stages('lease take-over'), pollMs)
      .toEqual(['asked', 'done']);
    expect((await records('lease take-over'))[0]).toMatchObject({
      by: { kind: 'daemon' },
      what: { schema, cause: 'free' },
    });

    const letters = [`--targetConn=${target.url}`, `--schema=${schema}`];
    await expect
      .poll(() => run('dlq', 'list', ...letters), pollMs)
      .toContain('[3]');
    await target.query('alter table item drop constraint item_v_check');
    await run('dlq', 'retry', ...letters, '--key=[2]', '--table=item');
    await expectCommand('dlq retry', { schema });
    await run('dlq', 'discard', '--yes', ...letters);
    await expectCommand('dlq discard', { schema });

    await send('odd', 1, 'no path');
    await expect.poll(() => stages('halt'), pollMs).toEqual(['noted']);
    expect((await records('halt'))[0]).toMatchObject({
      by: { kind: 'daemon' },
      what: { schema, code: expect.stringMatching(/^E\d{4}$/) },
    });
    await target.query('alter table odd alter v type text');
    await expect.poll(() => stages('resume'), pollMs).toEqual(['noted']);

    daemon.kill('SIGTERM');
    expect(await daemon.exited).toBe(0);
    expect(await stages('stop')).toEqual(['noted']);

    await run(
      'staging',
      'rescan',
      '--yes',
      ...staging,
      `--schema=${schema}`,
      '--table=item',
    );
    await expectCommand('staging rescan', { schema });
    await run('staging', 'purge', '--yes', ...staging, `--schema=${schema}`);
    await expectCommand('staging purge', { schema });
    await run('jwt', 'revoke', 'feed-7', ...staging);
    await expectCommand('jwt revoke', {});
    const { keys: listed } = JSON.parse(
      await run('jwt', 'list', '--json', ...staging),
    ) as { keys: { id: string }[] };
    await run('jwt', 'deactivate-key', listed[0]!.id, ...staging);
    await expectCommand('jwt deactivate-key', {});
  },
);

test(
  'certificates that were read again are recorded by subject and fingerprint',
  { timeout: timeoutMs },
  async () => {
    await using target = await testDatabase();
    for (const name of ['served', 'next']) {
      await run(
        'make-certs',
        '--yes',
        '--host=127.0.0.1',
        `--out=${join(folder, name)}`,
      );
    }
    const served = (name: string): string => join(folder, 'served', name);
    await using daemon = await startDaemon({
      args: [
        `--targetConn=${target.url}`,
        `--tlsCertificate=${served('server.pem')}`,
        `--tlsPrivateKey=${served('server.key')}`,
        `--auditLog=${log()}`,
      ],
    });
    for (const name of ['server.pem', 'server.key']) {
      await copyFile(join(folder, 'next', name), served(name));
    }
    daemon.kill('SIGHUP');
    await expect
      .poll(() => stages('certificates read again'), pollMs)
      .not.toEqual([]);
    expect((await records('certificates read again'))[0]).toMatchObject({
      what: {
        certificates: [
          {
            role: 'server',
            subject: expect.any(String),
            fingerprint: expect.any(String),
          },
        ],
      },
    });
  },
);

test(
  'a slot and a publication that were asked for are recorded before they are made',
  { timeout: timeoutMs },
  async () => {
    await using server = await startSlotServer();
    await using target = await testDatabase();
    await target.query('create table item (id int8 primary key)');
    const { Client } = (await import('pg')).default;
    const client = new Client({ connectionString: server.url() });
    await client.connect();
    await client.query('create table item (id int8 primary key)');
    await client.end();
    await using daemon = await startDaemon({
      command: 'pglogical',
      args: [
        `--sourceConn=${server.url()}`,
        `--targetConn=${target.url}`,
        `--targetSchema=${target.name}.public`,
        '--slotName=recorded',
        '--createSlot',
        '--publicationName=all_of_it',
        '--createPublication',
        `--auditLog=${log()}`,
      ],
      waitFor: 'listening',
    });
    await expect.poll(() => daemon.logs(), pollMs).toContain('ready: slot');
    expect(await stages('slot creation')).toEqual(['asked', 'done']);
    expect((await records('slot creation'))[0]).toMatchObject({
      by: { kind: 'daemon', ...here },
      what: { slotName: 'recorded' },
    });
    expect(await stages('publication creation')).toEqual(['asked', 'done']);
    expect((await records('publication creation'))[0]).toMatchObject({
      what: { name: 'all_of_it' },
    });
  },
);

test('a change of mode is recorded, and a schema that another daemon took', () => {
  const lines: string[] = [];
  const audit = createAudit(
    { write: (line) => lines.push(line), reopen() {}, [Symbol.dispose]() {} },
    { asker: { kind: 'daemon' } },
  );
  const status = new PipelineStatus();
  auditStatus(status, schemaName(['shop', 'public']), audit);
  status.mode = 'best-effort';
  status.state = 'running';
  status.state = 'superseded';
  status.state = 'standby';
  expect(
    lines.map((line) => {
      const { action, what } = JSON.parse(line) as AuditRecord;
      return { action, what };
    }),
  ).toEqual([
    {
      action: 'mode',
      what: { schema: 'shop.public', from: 'consistent', to: 'best-effort' },
    },
    { action: 'superseded', what: { schema: 'shop.public', code: null } },
    {
      action: 'resume',
      what: { schema: 'shop.public', after: 'superseded', to: 'standby' },
    },
  ]);
});
