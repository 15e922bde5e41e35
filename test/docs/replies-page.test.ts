import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type ErrorCode, errorCodes } from '../../src/failure/codes.ts';

/** Resolved messages are not refused for it: it is told in log and health. */
const neverReplied = ['E1030'];

const page = await readFile(
  new URL('../../docs/02-source.md', import.meta.url),
  'utf8',
);
const rows = [...page.matchAll(/^\| (\d{3}) \| (.*?) \|/gm)].map(
  ([, status, named]) => ({
    status: Number(status),
    named: named!.match(/E\d{4}/g) ?? [],
  }),
);

test('each code that a changefeed may hear stands in the row of its status', () => {
  const named = rows.flatMap((row) =>
    row.named.map((code) => [code, row.status] as const),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named).toEqual(
    named.map(([code]) => [code, errorCodes[code as ErrorCode].httpStatus]),
  );
});

test('no code of requests is left out', () => {
  const ofRequests = Object.keys(errorCodes).filter((code) =>
    code.startsWith('E1'),
  );
  const named = new Set([...rows.flatMap((row) => row.named), ...neverReplied]);
  expect(ofRequests.filter((code) => !named.has(code))).toEqual([]);
});
