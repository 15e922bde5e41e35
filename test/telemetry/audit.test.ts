import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import { openAudit } from '../../src/telemetry/audit.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replicator-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => join(folder, 'audit.log');
const open = (auditLog = ''): ReturnType<typeof openAudit> =>
  openAudit({ auditLog, dataDir: folder }, { asker: { kind: 'command' } });
const records = (): Record<string, unknown>[] =>
  readFileSync(file(), 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

test('what was asked stands in the file before the work begins, and its end behind it', async () => {
  using audit = open();
  const before = await audit.act('staging purge', { schema: 's' }, async () =>
    records(),
  );
  expect(before).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      id: expect.stringMatching(/^[\da-f]{12}$/),
      stage: 'asked',
      action: 'staging purge',
      by: {
        kind: 'command',
        user: userInfo().username,
        host: hostname(),
        process: process.pid,
      },
      what: { schema: 's' },
    },
  ]);
  const [asked, done] = records();
  expect(done).toMatchObject({ stage: 'done', id: asked!['id'] });
});

test('a failure is recorded by its code, and goes on its way', async () => {
  using audit = open();
  const failure = new ReplicatorError('E2001');
  await expect(
    audit.act('staging purge', {}, () => Promise.reject(failure)),
  ).rejects.toBe(failure);
  expect(records()[1]).toMatchObject({
    stage: 'failed',
    what: { failure: expect.stringMatching(/^E2001 /) },
  });
});

test('what a driver said of a failure, which may quote a row, is not recorded', async () => {
  using audit = open();
  await audit
    .act('x', {}, () => Promise.reject(new Error('Key (id)=(42) exists')))
    .catch(() => {});
  expect(readFileSync(file(), 'utf8')).not.toContain('42) exists');
});

test('an act that is left without an outcome has failed', () => {
  using audit = open();
  {
    using _act = audit.begin('dlq retry');
  }
  expect(records().map(({ stage }) => stage)).toEqual(['asked', 'failed']);
});

test.each([['/dev/full'], ['/proc/no-such-folder/audit.log']])(
  'nothing is done where %s takes no record',
  async (path) => {
    using audit = open(path);
    let hasRun = false;
    await expect(
      audit.act('staging purge', {}, async () => {
        hasRun = true;
      }),
    ).rejects.toMatchObject({ code: 'E5020' });
    expect(hasRun).toBe(false);
  },
);

test('what happened of itself and cannot be recorded is told, and goes on', () => {
  const lost: string[] = [];
  using audit = openAudit(
    { auditLog: '/dev/full', dataDir: folder },
    {
      asker: { kind: 'daemon' },
      onLost: ({ code }, record) => lost.push(`${code} ${record}`),
    },
  );
  audit.note('halt', { schema: 's' });
  expect(lost).toEqual([expect.stringMatching(/^E5020 .*"action":"halt"/)]);
});

test('only its owner can read the file', () => {
  using audit = open();
  audit.note('halt');
  expect(statSync(file()).mode & 0o777).toBe(0o600);
});

test('nothing is made before the first record', () => {
  using _audit = open();
  expect(existsSync(file())).toBe(false);
});

test('what stood there stays, and a record behind a broken one has a line of its own', () => {
  appendFileSync(file(), '{"stage":"asked"}\n{"sta');
  using audit = open();
  audit.note('halt');
  const lines = readFileSync(file(), 'utf8').split('\n');
  expect(lines.slice(0, 2)).toEqual(['{"stage":"asked"}', '{"sta']);
  expect(JSON.parse(lines[2]!)).toMatchObject({ action: 'halt' });
});

test('after rotation records go into a new file', () => {
  using audit = open();
  audit.note('halt');
  renameSync(file(), `${file()}.1`);
  audit.reopen();
  audit.note('resume');
  expect(records().map(({ action }) => action)).toEqual(['resume']);
});

test('secrets in the facts are hidden, and the line stays JSON', () => {
  using audit = open();
  audit.note('start', {
    options: { targetConn: 'postgresql://u:hun"ter2@h/d' },
  });
  expect(records()[0]).toMatchObject({
    what: { options: { targetConn: 'postgresql://***@h/d' } },
  });
});

test('records of several processes never mix', async () => {
  const door = fileURLToPath(
    new URL('../../src/telemetry/audit.ts', import.meta.url),
  );
  const script = `
    import { openAudit } from ${JSON.stringify(door)};
    const audit = openAudit({ auditLog: '', dataDir: ${JSON.stringify(folder)} }, { asker: { kind: 'command' } });
    for (let at = 0; at < 100; at++) audit.note('halt', { at, filler: 'x'.repeat(9000) });`;
  const run = (): number | null =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script]).status;
  const { spawn } = await import('node:child_process');
  const other = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const ended = new Promise((resolve) => other.on('close', resolve));
  expect(run()).toBe(0);
  expect(await ended).toBe(0);
  expect(records()).toHaveLength(200);
});
