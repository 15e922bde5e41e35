import { expect, test } from 'vitest';

import { productNames } from './demo-target.ts';
import { runDemo } from './run-demo.ts';

test.for([
  ['slot', 'mysql'],
  ['slot', 'mariadb'],
  ['changefeed', 'mysql'],
  ['changefeed', 'mariadb'],
] as const)(
  'the demo of a %s tells the same story with %s, and every row is verified',
  async ([source, product]) => {
    const { exitCode, text, left } = await runDemo([
      '--source',
      source,
      '--target',
      product,
      '--seconds',
      '2',
      '--rate',
      '300',
    ]);
    const lines = text.trimEnd().split('\n');
    expect(lines[0]).toContain(` reaching ${productNames[product]} (real)`);
    expect(lines[0]).toContain(source);
    expect(lines.at(-1)).toMatch(/^verified: \d+ rows in 5 tables are equal/);
    expect(exitCode).toBe(0);
    expect(left).toEqual([]);
  },
);
