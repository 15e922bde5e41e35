import { expect, test } from 'vitest';

import { changeRow } from '../support/changed-row.ts';
import { runDemo } from './run-demo.ts';

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

test('two clusters with a slot between them are equal in the end, though the daemon was killed and the target stopped meanwhile', async () => {
  const { exitCode, text, left } = await runDemo([
    '--seconds',
    '2',
    '--rate',
    '500',
  ]);
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^This shows a PostgreSQL cluster .* slot /);
  const address = /curl (http:\S+)\/_\/varz/.exec(text)?.[1];
  expect(address).toBeDefined();
  expect(text).toMatch(
    /^\d+s writing, \d+ rows at source \(\d+\/s\), \d+ applied .* unconfirmed, .* states checked, daemon: /m,
  );
  expect(text).toMatch(/of WAL were confirmed meanwhile/);
  expect(lines.at(-2)).toMatch(
    /^\d+ transactions, \d+ rows written; the daemon was killed and the target was stopped\.$/,
  );
  expect(lines.at(-1)).toMatch(
    /^verified: \d+ rows in 5 tables are equal at source and target$/,
  );
  expect(exitCode).toBe(0);
  expect(await answers(address!)).toBe(false);
  expect(left).toEqual([]);
});

test('a row that is changed at the target by hand is shown, with exit code 1', async () => {
  let damage: Promise<unknown> | undefined;
  const { exitCode, text, left } = await runDemo(
    ['--seconds', '4', '--rate', '300'],
    (soFar) => {
      const url = /^The target: (\S+)$/m.exec(soFar)?.[1];
      if (damage === undefined && /[1-9]s writing/.test(soFar)) {
        damage = changeRow(
          url!,
          'update workload_ledger set row_count = -7 where entry = 1',
        );
      }
    },
  );
  await damage;
  expect(text).toMatch(
    /\n {2}target: \["1",.*"-7"\]\n1 rows differ in 5 tables/,
  );
  expect(exitCode).toBe(1);
  expect(left).toEqual([]);
});

test('a reader that goes away ends it without a word, with everything cleared away', async () => {
  const { exitCode, text, left } = await runDemo(
    ['--seconds', '0', '--rate', '300'],
    (soFar, _kill, stopReading) => {
      if (soFar.includes('s writing')) {
        stopReading();
      }
    },
  );
  expect(text).not.toMatch(/EPIPE|error/i);
  expect(exitCode).toBe(0);
  expect(left).toEqual([]);
});

test('--help explains every option and starts nothing', async () => {
  const { exitCode, text } = await runDemo(['--help']);
  expect(text).toMatch(/^Usage: npm run demo -- \[options\]\n/);
  for (const option of ['source', 'target', 'seconds', 'rate']) {
    expect(text).toContain(`\n  --${option} `);
  }
  expect(text).not.toContain('Starting');
  expect(exitCode).toBe(0);
});

test('the demo of a changefeed says what it shows, where to look, and ends with every row verified', async () => {
  const { exitCode, text, left } = await runDemo([
    '--source',
    'changefeed',
    '--seconds',
    '2',
    '--rate',
    '500',
  ]);
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^This shows a CockroachDB changefeed/);
  const address = /curl (http:\S+)\/_\/varz/.exec(text)?.[1];
  expect(address).toBeDefined();
  expect(text).toMatch(
    /^\d+s writing, \d+ rows at source, .* applied .* errors 0/m,
  );
  expect(lines.at(-1)).toMatch(/^verified: \d+ rows in 5 tables are equal$/);
  expect(exitCode).toBe(0);
  expect(await answers(address!)).toBe(false);
  expect(left).toEqual([]);
});

test.for([
  ['slot', /[2-9]s writing/],
  // With the daemon dead, and with the target down: both are brought back.
  ['slot', /kill -9/],
  ['slot', /The target is stopped/],
  ['changefeed', /[2-9]s writing/],
] as const)(
  'Ctrl-C under a %s (%s) ends the writing, not the verification, and nothing stays behind',
  async ([source, moment]) => {
    let interrupted = false;
    const { exitCode, text, left } = await runDemo(
      ['--source', source, '--seconds', '12', '--rate', '300'],
      (soFar, kill) => {
        if (!interrupted && moment.test(soFar)) {
          interrupted = true;
          kill('SIGINT');
        }
      },
    );
    expect(text).toMatch(/\nverified: \d+ rows in 5 tables are equal.*\n$/);
    expect(interrupted).toBe(true);
    expect(exitCode).toBe(0);
    expect(left).toEqual([]);
  },
);

test('a mistyped flag is one line and exit code 1, before anything is started', async () => {
  const { exitCode, text } = await runDemo(['--second', '2']);
  expect(text).toMatch(/^demo: E5001 .*second.*\n$/);
  expect(exitCode).toBe(1);
});

test('an unknown target is one line that names the known ones', async () => {
  const { exitCode, text } = await runDemo(['--target', 'oracle']);
  expect(text).toBe(
    'demo: E5002 --target "oracle" is none of postgres, mysql, mariadb: see replicator help <command>\n',
  );
  expect(exitCode).toBe(1);
});
