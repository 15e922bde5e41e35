import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { targetNames } from './target-names.ts';

describe.each(targetNames)('%s', (name) => {
  test('every input of the corpus keeps what must hold', async () => {
    const { target } = (await import(`./targets/${name}.ts`)) as {
      target: FuzzTarget;
    };
    const corpus = readCorpus(name);
    expect(corpus.length).toBeGreaterThan(2);
    for (const { file, input } of corpus) {
      expect(() => target.check(input), file).not.toThrow();
    }
  });

  // A process of its own: V8 counts blocks of what it compiles from then on.
  test('no input made from these in a short run breaks it', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        join(import.meta.dirname, 'fuzz.ts'),
        name,
        '--seed=1',
        '--runs=4000',
        '--seconds=40',
      ],
      { encoding: 'utf8' },
    );
    expect(`${stdout}${stderr}`).toMatch(/^\w+: seed 1, \d+ runs, .*\n$/);
    expect(status).toBe(0);
  });
});

test('the loop finds what a check refuses, and makes it short', async () => {
  const { FuzzLoop } = await import('./fuzz-loop.ts');
  const found = new FuzzLoop(
    {
      name: 'planted',
      covers: [],
      dictionary: ['needle'],
      check: (input) => {
        const text = input.toString('latin1');
        if (/needle.*1/.test(text)) {
          throw new Error('planted');
        }
        return text.includes('needle') ? 'near' : 'far';
      },
    },
    { take: () => new Set() },
  ).run([Buffer.from('hay 1 hay')], {
    seed: 1,
    maxRuns: 100_000,
    maxMs: 30_000,
  });
  expect(found.finding?.input.toString()).toBe('needle1');
});
