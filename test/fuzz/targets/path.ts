/**
 * Paths of requests. The first byte says how many parts name a schema, the
 * rest is the target of the request line.
 */
import assert from 'node:assert/strict';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import { parseTimestamp } from '../../../src/mutation/timestamp.ts';
import {
  parseRequestPath,
  type PathForm,
  type RequestPath,
} from '../../../src/source/changefeed/server/path.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

export const target: FuzzTarget = {
  name: 'path',
  covers: ['/src/source/changefeed/server/path.ts'],
  dictionary: [
    '/',
    '//',
    '?',
    '#',
    '%',
    '%00',
    '%2F',
    '%2e%2e',
    '%ff',
    '%c3%a9',
    '%f0%9f%a6%94',
    '%25',
    '+',
    '..',
    'shop',
    'public',
    '/2020-04-05/',
    '202004051702551234567890000000012.RESOLVED',
    '202004051702551234567890000000012-56-1-72-00000000-orders-1.ndjson',
    '\\',
    ';',
    '\xc3\xa9',
  ],
  check(input) {
    const form = {
      schemaNameParts: 1 + ((input[0] ?? 0) % 2),
      examplePath: '/shop',
    };
    const text = input.subarray(1).toString('latin1');
    let path: RequestPath;
    try {
      path = parseRequestPath(text, form);
    } catch (error) {
      assert.ok(error instanceof ReplicatorError, String(error));
      assert.equal(error.code, 'E1013');
      return error.message;
    }
    checkPath(path, text, form);
    return `${path.kind} ${path.table === null}`;
  },
};

function checkPath(path: RequestPath, text: string, form: PathForm): void {
  assert.equal(path.schema.length, form.schemaNameParts);
  const names = [...path.schema, ...(path.table === null ? [] : [path.table])];
  for (const name of names) {
    assert.notEqual(name, '');
    assert.ok(!name.includes('\0'));
  }
  // The same names, spelled as plainly as can be, say the same.
  const segments = names.map((name) => `/${encodeURIComponent(name)}`).join('');
  const spelled = parseRequestPath(`${segments}${fileOf(path, text)}`, form);
  assert.deepEqual(spelled, path);
  // What the client adds to find its way is no part of it.
  assert.deepEqual(parseRequestPath(`${text.split('?')[0]}?a=/b`, form), path);
  if (path.kind === 'resolved-file') {
    assert.equal(parseTimestamp(path.time), path.time);
  }
}

function fileOf(path: RequestPath, text: string): string {
  if (path.kind === 'webhook') {
    return '';
  }
  const segments = text
    .split('?')[0]!
    .split('/')
    .filter((segment) => segment !== '');
  return `/${segments.slice(-2).join('/')}`;
}
