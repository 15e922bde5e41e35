import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  appendFile,
  mkdtemp,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import { feedNotes } from '../../../src/cli/trial/feed-notes.ts';
import { feedStatement } from '../../../src/cli/trial/feed-statement.ts';
import { parseTableList } from '../../../src/cli/trial/table-list.ts';
import {
  listenerTls,
  listenerTlsWarnings,
} from '../../../src/cli/daemon/listener-tls.ts';
import { parseAllowedSubjects } from '../../../src/config/allowed-subjects.ts';
import { defaultValues } from '../../../src/config/load.ts';
import { type StartValues, startOptions } from '../../../src/config/options.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { askCallers } from '../../../src/source/changefeed/callers/ask-callers.ts';
import { identifyByCertificate } from '../../../src/source/changefeed/callers/certificate-caller.ts';
import { parseRequestPath } from '../../../src/source/changefeed/server/path.ts';
import { runCommandLine } from '../../support/captured-io.ts';
import { body, serve } from '../../source/changefeed/server/served.ts';
import { readStatement, sinkParts, sqlWords } from './sql-words.ts';

let folder: string;
let certs: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replicator-feed-'));
  certs = join(folder, 'my certs');
  const made = await runCommandLine([
    'make-certs',
    '--host',
    'replicator.example.com,127.0.0.1,::1',
    '--out',
    certs,
    '--clientName',
    'feed-shop',
  ]);
  expect(made.exitCode).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

const usual = (): string[] => [
  'feed',
  'sql',
  '--tables',
  'customer,orders',
  '--host',
  '127.0.0.1',
  '--targetSchema',
  'db/public',
  '--certs',
  certs,
];

describe('make-certs', () => {
  test('leaves keys that only their owner may read, and nothing else beside', async () => {
    for (const name of ['ca', 'server', 'client']) {
      expect(await modeOf(join(certs, `${name}.key`))).toBe('600');
      expect(await modeOf(join(certs, `${name}.pem`))).toBe('644');
    }
    expect(await modeOf(certs)).toBe('700');
  });

  test('makes a server certificate for every name and address, for a year', async () => {
    const server = new X509Certificate(
      await readFile(join(certs, 'server.pem')),
    );
    expect(server.checkHost('replicator.example.com')).toBeDefined();
    expect(server.checkIP('127.0.0.1')).toBeDefined();
    expect(server.checkIP('::1')).toBeDefined();
    expect(server.publicKey.asymmetricKeyDetails?.namedCurve).toBe(
      'prime256v1',
    );
    const days = (server.validToDate.getTime() - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(365);
  });

  test('prints command lines that are understood as they stand, blanks in the path and all', async () => {
    const out = join(folder, "it's here");
    const { stdout } = await runCommandLine([
      'make-certs',
      '--host=a.example',
      '--out',
      out,
    ]);
    const line = /^ {2}replicator (feed sql .*)$/m.exec(stdout)![1]!;
    const shell = `printf '%s\\0' ${line}`;
    const words = execFileSync('sh', ['-c', shell]).toString().split('\0');
    words.pop();
    words[words.indexOf('feed.sql')] = '-';
    const run = await runCommandLine(words);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(readStatement(run.stdout).tables).toEqual([
      ['customer'],
      ['orders'],
    ]);
  });

  test('replaces nothing without --yes, and leaves what is there as it was', async () => {
    const before = await readFile(join(certs, 'ca.key'), 'utf8');
    const again = ['make-certs', '--host=other.example', '--out', certs];
    const refused = await runCommandLine(again);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /^Already there: .*ca\.pem, .*\nreplicator: E5007 .*--yes/s,
    );
    expect(await readFile(join(certs, 'ca.key'), 'utf8')).toBe(before);
    const other = join(folder, 'other');
    for (const yes of [[], ['--yes']]) {
      const run = await runCommandLine([
        'make-certs',
        '--host=a',
        '--out',
        other,
        ...yes,
      ]);
      expect(run.exitCode).toBe(0);
    }
  });

  test.each([
    [[], 2, 'E5004 --host must be given'],
    [['--host=a'], 2, 'E5004 --out must be given'],
    [
      ['--host=https://a', '--out=x'],
      2,
      'E5002 --host "https://a" is neither a host name nor an address',
    ],
    [['--host=a:26258', '--out=x'], 2, 'E5002 --host "a:26258"'],
    [['--host=ä.example', '--out=x'], 2, 'E5002 --host'],
    [['--host=a', '--out=x', '--clientName='], 2, 'E5002 --clientName'],
    [
      ['--host=a', '--out=/dev/null/x'],
      1,
      'E5019 /dev/null/x/ca.pem cannot be written (ENOTDIR)',
    ],
  ])('%j ends with exit code %i', async (argv, exitCode, line) => {
    const run = await runCommandLine(['make-certs', ...argv]);
    expect(run).toMatchObject({ exitCode, stdout: '' });
    expect(run.stderr).toContain(line);
  });
});

describe('feed sql', () => {
  test('what it prints opens an mTLS connection to a daemon with these files, and gets 200', async () => {
    const values = {
      ...defaultValues(startOptions),
      tlsCertificate: join(certs, 'server.pem'),
      tlsPrivateKey: join(certs, 'server.key'),
      tlsClientCA: join(certs, 'ca.pem'),
    } as StartValues;
    const tls = (await listenerTls(values))!;
    expect(await listenerTlsWarnings(values, tls)).toEqual([]);
    const { feed, port } = await serve({
      tls,
      callers: askCallers({
        certificate: identifyByCertificate({
          rules: parseAllowedSubjects('db.public=cn:feed-shop'),
        }),
      }),
    });
    const out = join(folder, 'feed.sql');
    const run = await runCommandLine([
      ...usual(),
      '--host',
      `127.0.0.1:${port}`,
      '--out',
      out,
      '--yes',
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await modeOf(out)).toBe('600');

    const statement = readStatement(await readFile(out, 'utf8'));
    const { scheme, host, segments, pem } = sinkParts(statement.sink);
    expect(scheme).toBe('webhook-https');
    expect(host).toBe(`127.0.0.1:${port}`);
    for (const [name, file] of [
      ['ca_cert', 'ca.pem'],
      ['client_cert', 'client.pem'],
      ['client_key', 'client.key'],
    ] as const) {
      expect(pem[name]).toBe(await readFile(join(certs, file), 'utf8'));
    }
    const ask = (identity: object): Promise<number> =>
      new Promise((resolve, reject) => {
        https
          .request(
            `https://${host}/${segments.join('/')}`,
            { method: 'POST', agent: false, ca: pem['ca_cert']!, ...identity },
            (response) => {
              response.resume();
              resolve(response.statusCode!);
            },
          )
          .on('error', reject)
          .end(body);
      });
    expect(
      await ask({ cert: pem['client_cert'], key: pem['client_key'] }),
    ).toBe(200);
    expect(feed.rowCount).toBe(1);
    expect(await ask({})).toBe(401);
    // No secret beside the one place where it must be.
    expect(run.stdout).not.toMatch(/BEGIN|LS0t/);
  });

  test('the options are those that the daemon needs', async () => {
    const common = {
      updated: null,
      resolved: '250ms',
      min_checkpoint_frequency: '250ms',
      webhook_client_timeout: '10s',
      webhook_sink_config: '{"Flush":{"Bytes":1048576,"Frequency":"1s"}}',
    };
    const plain = await runCommandLine([...usual(), '--out=-']);
    expect(readStatement(plain.stdout).options).toEqual(common);
    const full = await runCommandLine(
      [
        ...usual(),
        '--out=-',
        '--cursor=1795231345663348457.0000000000',
        '--token=env:TOKEN',
      ],
      { env: { TOKEN: 'aaa.bbb-_.ccc' } },
    );
    expect(readStatement(full.stdout).options).toEqual({
      ...common,
      initial_scan: 'no',
      cursor: '1795231345663348457.0000000000',
      webhook_auth_header: 'Bearer aaa.bbb-_.ccc',
    });
    expect(JSON.parse(common.webhook_sink_config)).toEqual({
      Flush: { Bytes: 1_048_576, Frequency: '1s' },
    });
  });

  test('a key or a token is not printed unasked', async () => {
    for (const argv of [usual(), [...usual().slice(0, 8), '--token=abc']]) {
      const run = await runCommandLine(argv);
      expect(run).toMatchObject({ exitCode: 1, stdout: '' });
      expect(run.stderr).toMatch(
        /E5007 the statement holds a private key or a token.*: give --out feed\.sql/,
      );
    }
    const bare = await runCommandLine(usual().slice(0, 8));
    expect(bare.exitCode).toBe(0);
    expect(bare.stdout).toContain('NOBODY IS AUTHENTICATED');
    expect(readStatement(bare.stdout).sink).toBe(
      'webhook-https://127.0.0.1:26258/db/public',
    );
  });

  test('only certificates go into ca_cert and client_cert, whatever else stands in those files', async () => {
    const mixed = join(folder, 'mixed.pem');
    const [ca, key] = await Promise.all([
      readFile(join(certs, 'ca.pem'), 'utf8'),
      readFile(join(certs, 'ca.key'), 'utf8'),
    ]);
    await writeFile(mixed, `notes\n${key}`);
    await appendFile(mixed, ca);
    const run = await runCommandLine([
      ...usual(),
      '--tlsCACertificate',
      mixed,
      '--out=-',
    ]);
    expect(sinkParts(readStatement(run.stdout).sink).pem['ca_cert']).toBe(ca);
  });

  test('a host that is no name of the server, and a certificate that ends soon, are warned about', async () => {
    const short = join(folder, 'short');
    await runCommandLine([
      'make-certs',
      '--host=a.example',
      '--days=3',
      '--out',
      short,
    ]);
    const run = await runCommandLine([
      ...usual(),
      '--certs',
      short,
      '--host=b.example',
      '--out=-',
    ]);
    expect(run.exitCode).toBe(0);
    expect(run.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/warning: a certificate in it expires on/),
      expect.stringMatching(/warning: a certificate in it expires on/),
      expect.stringMatching(
        /warning: b\.example is no name in .*server\.pem \(DNS:a\.example\): CockroachDB would not trust/,
      ),
    ]);
  });

  test.each<[string[], number, string]>([
    [['--tables='], 2, 'E5004 --tables must be given'],
    [['--tables=a..b'], 2, 'E5002 --tables: "a..b" is not the name of a table'],
    [['--tables=a b'], 2, 'E5002 --tables: "a b" is not the name of a table'],
    [
      ['--tables=a."b'],
      2,
      'E5002 --tables: "a.\\"b" is not the name of a table',
    ],
    [
      ['--tables=a.b.c.d'],
      2,
      'E5002 --tables: "a.b.c.d" is not the name of a table',
    ],
    [['--host='], 2, 'E5004 --host must be given'],
    [['--host=https://a'], 2, 'E5002 --host "https://a" is not a host'],
    [["--host=a'b"], 2, 'E5002 --host "a\'b" is not a host'],
    [['--host=a:99999'], 2, 'E5002 --host "a:99999" is not a host'],
    [['--targetSchema='], 2, 'E5004 --targetSchema must be given'],
    [
      ['--cursor=yesterday'],
      2,
      'E5002 --cursor "yesterday" is not a time of the cluster',
    ],
    [
      ["--token=a', x='"],
      2,
      'E5002 --token holds characters that no token has',
    ],
    [['--certs=/no'], 1, 'E5005 /no/ca.pem cannot be read (ENOENT)'],
    [
      ['--tlsCertificate=c.pem'],
      1,
      'E5003 --tlsCertificate and --tlsPrivateKey belong together',
    ],
  ])(
    '%j ends with exit code %i and prints no statement',
    async (argv, exitCode, line) => {
      const run = await runCommandLine([...usual(), '--out=-', ...argv]);
      expect(run).toMatchObject({ exitCode, stdout: '' });
      expect(run.stderr).toContain(line);
    },
  );

  test('a key of another certificate is refused', async () => {
    const run = await runCommandLine([
      ...usual(),
      '--out=-',
      '--tlsCertificate',
      join(certs, 'client.pem'),
      '--tlsPrivateKey',
      join(certs, 'server.key'),
    ]);
    expect(run).toMatchObject({ exitCode: 1, stdout: '' });
    expect(run.stderr).toMatch(
      /E5018 --tlsPrivateKey .*server\.key is not the key of --tlsCertificate .*client\.pem/,
    );
  });

  test.each([
    ['replicator.example.com', 'replicator.example.com:26258'],
    ['10.1.2.3:443', '10.1.2.3:443'],
    ['::1', '[::1]:26258'],
    ['[2001:db8::1]:443', '[2001:db8::1]:443'],
  ])('the host %s becomes %s', async (host, authority) => {
    const run = await runCommandLine([...usual().slice(0, 8), '--host', host]);
    expect(sinkParts(readStatement(run.stdout).sink).host).toBe(authority);
  });
});

const part = fc
  .oneof(
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.string({
      minLength: 1,
      unit: fc.constantFrom(
        '"',
        "'",
        '.',
        ',',
        '-',
        '\n',
        ' ',
        ';',
        '\\',
        '%',
        '+',
        '/',
        'ß',
        '*',
        '-- ',
      ),
    }),
    fc.constantFrom(
      'select',
      'Robert"); DROP TABLE x;--',
      "'; SELECT '",
      '$1',
      '😀',
    ),
  )
  .filter((text) => !text.includes('\0'));

test('whatever the tables are called, the statement names them and nothing else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(part, { minLength: 1, maxLength: 3 }), {
        minLength: 1,
        maxLength: 4,
      }),
      (tables) => {
        const typed = tables
          .map((names) =>
            names.map((name) => `"${name.replaceAll('"', '""')}"`).join('.'),
          )
          .join(' , ');
        const parsed = parseTableList(typed);
        expect(parsed).toEqual(tables);
        const facts = { hasKey: true, hasToken: true, hasCursor: false };
        const sql = `${feedNotes(facts)}\n\n${feedStatement({
          tables: parsed,
          authority: 'h:1',
          schema: ['s'],
          caCert: null,
          client: null,
          token: null,
          cursor: null,
        })}`;
        expect(readStatement(sql).tables).toEqual(tables);
      },
    ),
    { numRuns: 500 },
  );
});

test('whatever the target schema is called, the daemon finds it in the path', () => {
  fc.assert(
    fc.property(
      fc.array(
        part.filter((text) => !/^\.\.?$/.test(text)),
        { minLength: 2, maxLength: 2 },
      ),
      (schema) => {
        const sql = feedStatement({
          tables: [['t']],
          authority: 'h:1',
          schema,
          caCert: null,
          client: null,
          token: null,
          cursor: null,
        });
        const { sink } = readStatement(sql);
        const target = sink.slice('webhook-https://h:1'.length);
        // As it goes over the wire: nothing for a URL parser to change.
        expect(target).toMatch(/^[\w/.%~-]+$/);
        const form = { schemaNameParts: 2, examplePath: '/a/b' };
        expect(parseRequestPath(target, form).schema).toEqual(schema);
        expect(schemaName(schema)).toBeTypeOf('string');
      },
    ),
    { numRuns: 500 },
  );
});

test('the notes are comments to their last line', () => {
  for (const hasKey of [true, false]) {
    for (const hasCursor of [true, false]) {
      expect(
        sqlWords(feedNotes({ hasKey, hasToken: !hasKey, hasCursor })),
      ).toEqual([]);
    }
  }
});
