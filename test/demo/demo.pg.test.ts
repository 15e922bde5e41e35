import { expect, test } from 'vitest';

import { runDemo } from './run-demo.ts';

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

test('the demo says what it shows, where to look, and ends with every row verified', async () => {
  const { exitCode, text, left } = await runDemo([
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

test('Ctrl-C ends the writing, not the verification, and nothing stays behind', async () => {
  let interrupted = false;
  const { exitCode, text, left } = await runDemo(
    ['--rate', '300'],
    (soFar, kill) => {
      if (!interrupted && soFar.includes('2s writing')) {
        interrupted = true;
        kill('SIGINT');
      }
    },
  );
  expect(text).toMatch(/\nverified: \d+ rows in 5 tables are equal\n$/);
  expect(exitCode).toBe(0);
  expect(left).toEqual([]);
});

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
