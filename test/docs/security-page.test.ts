/** Every threat of docs/security.md has a control, and tests that are there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const rows = readFileSync(join(root, 'docs/security.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\|(?:-|\s*Threat)/.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );

test.each(rows)('%s', (threat, control, tests) => {
  expect(threat).not.toBe('');
  expect(control).not.toBe('');
  const files = [...(tests ?? '').matchAll(/`([^`]+)`/g)].map(
    ([, file]) => file!,
  );
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    expect(file).toMatch(/^test\/.+\.ts$/);
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(readFileSync(join(root, file), 'utf8')).toMatch(
      /\b(?:test|describe|register\w+)\b/,
    );
  }
});

test('the page is read whole', () => {
  expect(rows.length).toBeGreaterThan(30);
  expect(rows.every((row) => row.length === 3)).toBe(true);
});
