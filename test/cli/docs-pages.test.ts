import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { docsPages } from '../../src/cli/docs-pages.ts';
import { errorCodes } from '../../src/failure/codes.ts';
import { metricTable } from '../../src/telemetry/metric-table.ts';

const pages = await docsPages();

test.each([...pages])('%s is what npm run docs writes', async (path, text) => {
  const written = await readFile(
    new URL(`../../${path}`, import.meta.url),
    'utf8',
  );
  expect(written, 'stale: run npm run docs').toBe(text);
});

test('every metric and every code has its line', () => {
  for (const name of Object.keys(metricTable)) {
    expect(pages.get('docs/metrics.md')).toContain(`| \`${name}\` |`);
  }
  for (const code of Object.keys(errorCodes)) {
    expect(pages.get('docs/errors.md')).toContain(`| ${code} |`);
  }
});
