import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { defaultValues, loadOptions } from '../../src/config/load.ts';
import {
  stagingCommandOptions,
  startOptions,
} from '../../src/config/options.ts';
import { peerOptions } from '../../src/config/peer-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'replicator-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

function configFile(text: string): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.yaml`);
  writeFileSync(path, text);
  return path;
}

async function loadStart(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return (await loadOptions(startOptions, argv, env)).values;
}

/** The one line that the operator reads. */
async function refusal(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const error: unknown = await loadOptions(startOptions, argv, env).then(
    () => 'accepted',
    (reason: unknown) => reason,
  );
  return (error as { line?: string }).line ?? String(error);
}

describe('an option that narrows who is let in', () => {
  test.each([
    ['tlsAllowedSubjects', 'REPLICATOR_TLS_ALLOWED_SUBJECTS'],
    ['jwtAudience', 'REPLICATOR_JWT_AUDIENCE'],
  ])(
    'is never lost to a variable of a shell that is empty: --%s, %s',
    async (name, variable) => {
      const words = ' is given without a value: ';
      expect(await refusal([`--${name}=`])).toContain(
        `E5002 --${name}${words}`,
      );
      expect(await refusal([`--${name}`, ' '])).toContain(`--${name}${words}`);
      expect(await refusal([], { [variable]: '' })).toContain(
        `E5002 ${variable}${words}`,
      );
      const path = configFile(`${name}: ''\n`);
      expect(await refusal(['--config', path])).toContain(words);
    },
  );
});

describe('precedence', () => {
  test('without anything every option holds its default', async () => {
    expect(await loadStart([])).toEqual(defaultValues(startOptions));
  });

  test('a flag wins over the environment, that over the file, that over the default', async () => {
    const path = configFile('flushSize: 1\nscanSize: 2\nparallelism: 3\n');
    const values = await loadStart(['--flushSize', '100', '--config', path], {
      REPLICATOR_FLUSH_SIZE: '10',
      REPLICATOR_SCAN_SIZE: '20',
    });
    expect([
      values.flushSize,
      values.scanSize,
      values.parallelism,
      values.timestampLimit,
    ]).toEqual([100, 20, 3, 1000]);
  });

  test('the file may be named by the environment', async () => {
    const path = configFile('immediate: true\n');
    const values = await loadStart([], { REPLICATOR_CONFIG: path });
    expect(values.immediate).toBe(true);
  });

  test('an empty variable counts as not set', async () => {
    const values = await loadStart([], { REPLICATOR_BIND_ADDR: '' });
    expect(values.bindAddr).toBe(':26258');
  });
});

describe('spellings', () => {
  test('every type is understood in its usual spelling', async () => {
    const values = await loadStart([
      '--applyTimeout=1m30s',
      '--memoryLimit=1GiB',
      '--retryMultiplier=1.5',
      '--logFormat=fluent',
      '--bindAddr=127.0.0.1:1',
      '--immediate',
      '-vv',
    ]);
    expect(values).toMatchObject({
      applyTimeout: 90_000,
      memoryLimit: 1_073_741_824,
      retryMultiplier: 1.5,
      logFormat: 'fluent',
      bindAddr: '127.0.0.1:1',
      immediate: true,
      verbose: 2,
    });
  });

  test.each([
    [['--no-collapseMutations'], false],
    [['--collapseMutations=false'], false],
    [['--collapseMutations=f'], false],
    [['--collapseMutations=1'], true],
    [['--collapseMutations=false', '--collapseMutations'], true],
  ])('%j switches a switch', async (argv, on) => {
    expect((await loadStart(argv)).collapseMutations).toBe(on);
  });

  test('--verbose=2 is as -v -v', async () => {
    expect((await loadStart(['--verbose=2'])).verbose).toBe(2);
    expect((await loadStart(['-v', '--verbose'])).verbose).toBe(2);
  });

  test('a negative duration is a value, not a flag', async () => {
    expect((await loadStart(['--schemaRefresh', '-1s'])).schemaRefresh).toBe(
      -1000,
    );
  });

  test('the last of several wins', async () => {
    expect((await loadStart(['--scanSize=1', '--scanSize=2'])).scanSize).toBe(
      2,
    );
  });

  test('what stands behind -- is an argument', async () => {
    const loaded = await loadOptions(startOptions, ['--', '--flushSize'], {});
    expect(loaded.positionals).toEqual(['--flushSize']);
  });

  test('--help wins over everything else on the line', async () => {
    const loaded = await loadOptions(startOptions, ['--scanSize=x', '-h'], {});
    expect(loaded.help).toBe(true);
  });

  test("the peer's zero rules hold", async () => {
    const values = await loadStart([
      '--flushSize=0',
      '--flushPeriod=0',
      '--parallelism=0',
      '--scanSize=0',
      '--quiescentPeriod=-5s',
      '--taskGracePeriod=0',
      '--timestampLimit=-1',
      '--retireOffset=0',
    ]);
    expect(values).toEqual({ ...defaultValues(startOptions), retireOffset: 0 });
    expect((await loadStart(['--retireOffset=-1s'])).retireOffset).toBe(
      86_400_000,
    );
  });
});

describe('refusals', () => {
  test.each([
    [
      ['--flushSiz=1'],
      'E5001 there is no option --flushSiz: did you mean --flushSize?',
    ],
    [['--xyzzy'], 'E5001 there is no option --xyzzy: see replicator help'],
    [['-q'], 'E5001 there is no option -q: see replicator help'],
    [
      ['--targetConn', '--immediate'],
      'E5001 --targetConn stands without a value: write --targetConn=<string>',
    ],
    [
      ['--flushSize'],
      'E5001 --flushSize stands without a value: write --flushSize=<int>',
    ],
    [
      ['--flushSize=1.5'],
      'E5002 --flushSize "1.5" is not a whole number: see replicator help <command>',
    ],
    [
      ['--flushSize=-1'],
      'E5002 --flushSize "-1" is less than 0: see replicator help <command>',
    ],
    [
      ['--flushPeriod=10'],
      'E5002 --flushPeriod "10" is not a duration such as 1m30s, 10s or 250ms: see replicator help <command>',
    ],
    [
      ['--memoryLimit=1MiB'],
      'E5002 --memoryLimit "1MiB" is less than 64MiB: see replicator help <command>',
    ],
    [
      ['--memoryLimit=lots'],
      'E5002 --memoryLimit "lots" is not a size such as 10GiB, 64MiB or 4096: see replicator help <command>',
    ],
    [
      ['--logFormat=xml'],
      'E5002 --logFormat "xml" is none of text, fluent: see replicator help <command>',
    ],
    [
      ['--immediate=maybe'],
      'E5002 --immediate "maybe" is neither true nor false: see replicator help <command>',
    ],
    [
      ['--retryMultiplier=fast'],
      'E5002 --retryMultiplier "fast" is not a number: see replicator help <command>',
    ],
    [
      ['--constructor=1'],
      'E5001 there is no option --constructor: see replicator help',
    ],
  ])('%j', async (argv, line) => {
    expect(await refusal(argv)).toBe(line);
  });

  test('a value from the environment is refused by the name of its variable', async () => {
    expect(await refusal([], { REPLICATOR_SCAN_SIZE: 'x' })).toBe(
      'E5002 REPLICATOR_SCAN_SIZE "x" is not a whole number: see replicator help <command>',
    );
  });

  test('an option of another command is named as such', async () => {
    await expect(
      loadOptions(stagingCommandOptions, ['--flushSize=1'], {}),
    ).rejects.toMatchObject({
      line: 'E5001 --flushSize is not an option of this command: leave it out; replicator help <command> lists those it has',
    });
  });

  test.each(Object.entries(peerOptions))(
    '--%s of the peer ends in E5008 with a sentence of its own',
    async (name, why) => {
      const flag = await refusal([`--${name}=1`]);
      expect(flag).toBe(
        `E5008 --${name} is not available in this version: leave it out: ${why}`,
      );
      const path = configFile(`${name}: 1\n`);
      expect(await refusal([`--config=${path}`])).toContain(
        `E5008 ${name} in ${path}`,
      );
    },
  );

  test('a password that slipped into another option is not printed', async () => {
    const line = await refusal(['--flushSize=postgresql://u:hunter2@h/db']);
    expect(line).toContain('E5002');
    expect(line).not.toContain('hunter2');
  });

  test('a mistyped variable is a warning: Kubernetes sets its own', async () => {
    const { warnings } = await loadOptions(startOptions, [], {
      REPLICATOR_FLUSHSIZE: '1',
      REPLICATOR_SERVICE_HOST: '10.0.0.1',
      REPLICATOR_PORT_26258_TCP: 'tcp://10.0.0.1:26258',
    });
    expect(warnings).toEqual([
      'REPLICATOR_FLUSHSIZE is no option; did you mean REPLICATOR_FLUSH_SIZE?',
    ]);
  });
});

describe('secrets', () => {
  test('env: and file: stand for what they name, in each of the three places', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'postgresql://from-file\n');
    const path = configFile(`stagingConn: file:${secret}\n`);
    const values = await loadStart(['--targetConn=env:URL', '--config', path], {
      URL: 'postgresql://from-env',
    });
    expect([values.targetConn, values.stagingConn]).toEqual([
      'postgresql://from-env',
      'postgresql://from-file',
    ]);
  });

  test('a variable that is not set is named by its option', async () => {
    expect(await refusal(['--targetConn=env:NOPE'])).toBe(
      'E5002 --targetConn takes its value from an environment variable that is not set: set the variable that stands behind env:, or correct its name',
    );
  });

  test('a file that cannot be read is named by its option', async () => {
    expect(await refusal([`--stagingConn=file:${folder}/nope`])).toBe(
      'E5005 --stagingConn takes its value from a file that cannot be read (ENOENT): check the path and its permissions',
    );
  });

  test('elsewhere env: is plain text', async () => {
    expect((await loadStart(['--dataDir=env:HOME'])).dataDir).toBe('env:HOME');
  });
});

describe('the configuration file', () => {
  test('an unknown key is refused with the file and a guess', async () => {
    const path = configFile('flushSzie: 1\n');
    expect(await refusal([`--config=${path}`])).toBe(
      `E5001 there is no option "flushSzie" (in ${path}): did you mean flushSize?`,
    );
  });

  test('digits, sizes and switches are read as they were typed', async () => {
    const path = configFile(
      'stagingMaxBytes: 20GiB\nflushPeriod: 0x10\nimmediate: yes\n',
    );
    expect(await refusal([`--config=${path}`])).toContain(
      `E5002 flushPeriod in ${path} "0x10" is not a duration`,
    );
  });

  test('options of another command are passed over', async () => {
    const path = configFile('flushSize: 7\ndataDir: /x\n');
    const { values } = await loadOptions(
      stagingCommandOptions,
      ['--config', path],
      {},
    );
    expect(values.dataDir).toBe('/x');
  });

  test.each(['', '# nothing\n', '---\n'])(
    '%j holds no options and is fine',
    async (text) => {
      expect(await loadStart([`--config=${configFile(text)}`])).toMatchObject({
        flushSize: 1000,
      });
    },
  );

  test.each([
    ['- a\n', 'holds no options'],
    ['just text\n', 'holds no options'],
    ['flushSize: {a: 1}\n', 'is not a single value'],
    ['flushSize: 1\nflushSize: 2\n', 'is not valid YAML (line 2'],
    ['targetConn: "postgresql://u:hunter2@h\n', 'is not valid YAML'],
    ['config: other.yaml\n', 'E5001'],
  ])('%j is refused', async (text, what) => {
    const line = await refusal([`--config=${configFile(text)}`]);
    expect(line).toContain(what);
    expect(line).not.toContain('hunter2');
  });

  test('a missing file is E5005', async () => {
    expect(await refusal(['--config=/nope.yaml'])).toBe(
      'E5005 --config /nope.yaml cannot be read (ENOENT): check the path and its permissions',
    );
  });
});
