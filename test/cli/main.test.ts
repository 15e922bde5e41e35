import { describe, expect, test } from 'vitest';
import { failureLine } from '../../src/cli/main.ts';
import { peerCommands } from '../../src/config/peer-options.ts';
import { runCommandLine } from '../support/captured-io.ts';

describe('a command line that is not understood is one line on stderr and exit code 2', () => {
  test.each([
    [
      ['strat'],
      'replicator: E5001 there is no command "strat": did you mean start?\n',
    ],
    [
      ['verison'],
      'replicator: E5001 there is no command "verison": did you mean version?\n',
    ],
    [
      ['workload', 'rnu'],
      'replicator: E5001 there is no command "workload rnu": did you mean workload run?\n',
    ],
    [
      ['dlq', 'lst'],
      'replicator: E5001 there is no command "dlq lst": did you mean dlq list?\n',
    ],
    [
      ['start', '--bestEffort'],
      'replicator: E5001 there is no option --bestEffort: did you mean --bestEffortOnly?\n',
    ],
    [
      ['version', '--dpes'],
      'replicator: E5001 there is no option --dpes: did you mean --deps?\n',
    ],
    [
      ['start', '-flushSize', '3'],
      'replicator: E5001 there is no option -flushSize: did you mean --flushSize?\n',
    ],
    [
      ['start', '-x'],
      'replicator: E5001 there is no option -x: see replicator help\n',
    ],
    [
      ['version', 'now'],
      'replicator: E5001 "now" is one argument too many for version: see replicator help version\n',
    ],
    [
      ['version', '--flushSize=1'],
      'replicator: E5001 --flushSize is not an option of this command: leave it out; replicator help <command> lists those it has\n',
    ],
    [
      ['help', 'nothing'],
      'replicator: E5001 there is no command "nothing": see replicator help\n',
    ],
    [
      ['constructor'],
      'replicator: E5001 there is no command "constructor": see replicator help\n',
    ],
    [
      ['start', '--flushSize=many'],
      'replicator: E5002 --flushSize "many" is not a whole number: see replicator help <command>\n',
    ],
    [
      ['start', '--userscript=x.ts'],
      'replicator: E5008 --userscript is not available in this version: leave it out: this version runs no user scripts yet\n',
    ],
  ])('%j', async (argv, stderr) => {
    expect(await runCommandLine(argv)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr,
    });
  });

  test('a required option that is missing', async () => {
    const { exitCode, stderr } = await runCommandLine(['start']);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /^replicator: E5004 --targetConn must be given: .*\n$/,
    );
  });
});

describe('a configuration that cannot work ends with exit code 1, before anything is opened', () => {
  const target = '--targetConn=postgresql://127.0.0.1:1/none';
  test.each([
    [
      ['--parallelism=120'],
      'E5003 --parallelism 120 is more than 80 % of --targetMaxPoolSize 128',
    ],
    [
      ['--tlsCertificate=x'],
      'E5003 --tlsCertificate is given without --tlsPrivateKey',
    ],
    [
      ['--immediate', '--bestEffortOnly'],
      'E5003 --immediate and --bestEffortOnly contradict each other',
    ],
    [[], 'E5007 other machines reach --bindAddr :26258'],
    [
      ['--tlsSelfSigned', '--authentication=both'],
      'E5003 --authentication both asks for client certificates',
    ],
    [
      ['--config=/nope.yaml'],
      'E5005 --config /nope.yaml cannot be read (ENOENT)',
    ],
  ])('start %j', async (argv, line) => {
    const { exitCode, stdout, stderr } = await runCommandLine([
      'start',
      target,
      ...argv,
    ]);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`replicator: ${line}`);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});

test.each(Object.entries(peerCommands))(
  'the command %s of the peer ends in E5008 with a sentence of its own',
  async (name, why) => {
    const run = await runCommandLine([name, '--sourceConn=x']);
    expect([run.exitCode, run.stderr]).toEqual([
      2,
      `replicator: E5008 the command ${name} is not available in this version: ${why}\n`,
    ]);
  },
);

test.each([[[]], [['-v']]])(
  '%j alone explains the commands and is a usage error',
  async (argv) => {
    const run = await runCommandLine(argv);
    expect([run.exitCode, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('Usage: replicator <command> [options]');
  },
);

test('the first word of a family lists the family', async () => {
  const run = await runCommandLine(['workload']);
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('  workload run');
  expect((await runCommandLine(['workload', '--help'])).exitCode).toBe(0);
});

test('global options may stand before the command', async () => {
  const run = await runCommandLine(['-v', '--logFormat', 'fluent', 'version']);
  expect(run.exitCode).toBe(0);
});

test('a mistyped variable is a warning on stderr', async () => {
  const run = await runCommandLine(['version'], {
    env: { REPLICATOR_GRACEPERIOD: '1s' },
  });
  expect([run.exitCode, run.stderr]).toEqual([
    0,
    'replicator: warning: REPLICATOR_GRACEPERIOD is no option; did you mean REPLICATOR_GRACE_PERIOD?\n',
  ]);
});

test('a password in the wrong place is not echoed', async () => {
  const argv = ['start', 'postgresql://u:hunter2@h/db'];
  const { stderr } = await runCommandLine(argv);
  expect(stderr).toContain('E5001');
  expect(stderr).not.toContain('hunter2');
});

describe('what nobody foresaw', () => {
  const error = new Error('dialling postgresql://u:hunter2@h/db\n  failed');

  test('is one line that says how to see more, without secrets', () => {
    expect(failureLine(error, {})).toBe(
      'replicator: unexpected failure: dialling postgresql://***@h/db failed (REPLICATOR_STACK=1 shows where)',
    );
    expect(failureLine('thrown text', {})).toContain('thrown text');
  });

  test('shows no words of a database, which quote rows, in its stack either', () => {
    const answer = Object.assign(
      new Error('invalid input\nsyntax for type integer: "bob@row.example"'),
      { severity: 'ERROR', code: '22P02' },
    );
    for (const thrown of [answer, new Error('outer', { cause: answer })]) {
      const text = failureLine(thrown, { REPLICATOR_STACK: '1' });
      expect(text).toMatch(/\n {4}at /);
      expect(text).not.toContain('bob@row.example');
    }
  });

  test('shows its stack when asked, without secrets', () => {
    const text = failureLine(error, { REPLICATOR_STACK: '1' });
    expect(text).toMatch(/\n {4}at /);
    expect(text).not.toContain('hunter2');
  });
});
