import { expect, test } from 'vitest';

import { productNames } from './demo-target.ts';
import { runDemo } from './run-demo.ts';

test.for(['mysql', 'mariadb'] as const)(
  'the demo tells the same story with %s, and every row is verified',
  async (product) => {
    const { exitCode, text, left } = await runDemo([
      '--target',
      product,
      '--seconds',
      '2',
      '--rate',
      '300',
    ]);
    const lines = text.trimEnd().split('\n');
    expect(lines[0]).toContain(
      `changefeed (played) reaching ${productNames[product]} (real)`,
    );
    expect(lines.at(-1)).toMatch(/^verified: \d+ rows in 5 tables are equal$/);
    expect(exitCode).toBe(0);
    expect(left).toEqual([]);
  },
);
