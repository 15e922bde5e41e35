import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { parseRequestPath } from '../../../../src/source/changefeed/server/path.ts';

const postgres = { schemaNameParts: 2, examplePath: '/shop/public' };
const mysql = { schemaNameParts: 1, examplePath: '/shop' };

function refusal(pathname: string, form = postgres): ReplicatorError {
  try {
    parseRequestPath(pathname, form);
  } catch (error) {
    if (error instanceof ReplicatorError) {
      return error;
    }
    throw error;
  }
  throw new Error(`${pathname} was accepted`);
}

const file33 = '202004051702551234560000000012';
const resolvedFile = '202004051702551234567890000000012.RESOLVED';
const ndjsonFile = (topic: string) =>
  `202004051702551234567890000000012-56087568dba1e6b8-1-72-00000000-${topic}-1.ndjson`;

describe('parseRequestPath', () => {
  test.each([
    ['/shop/public', ['shop', 'public'], null],
    ['//shop///public/', ['shop', 'public'], null],
    ['/shop/public/orders', ['shop', 'public'], 'orders'],
    ['/shop/public?access_token=a/b', ['shop', 'public'], null],
    ['/shop/public/a.b', ['shop', 'public'], 'a.b'],
    ['/my+shop/pub%2Flic/%F0%9F%A6%94', ['my shop', 'pub/lic'], '🦔'],
    ['/a%2Bb/%2e%2e', ['a+b', '..'], null],
    // One segment before the date: an ordinary schema and table.
    [`/shop/2020-04-05/${resolvedFile}`, ['shop', '2020-04-05'], resolvedFile],
  ])('%s is a webhook', (pathname, schema, table) => {
    expect(parseRequestPath(pathname, postgres)).toEqual({
      kind: 'webhook',
      schema,
      table,
    });
  });

  test('one part names a schema where the target has it so', () => {
    expect(parseRequestPath('/shop', mysql)).toEqual({
      kind: 'webhook',
      schema: ['shop'],
      table: null,
    });
    expect(
      parseRequestPath(`/shop/2020-04-05/${resolvedFile}`, mysql),
    ).toMatchObject({ kind: 'resolved-file', schema: ['shop'], table: null });
  });

  test('a RESOLVED file tells its time by its name', () => {
    for (const [prefix, table] of [
      ['/shop/public', null],
      ['/shop/public/orders', 'orders'],
    ] as const) {
      expect(
        parseRequestPath(`${prefix}/2020-04-05/${resolvedFile}`, postgres),
      ).toEqual({
        kind: 'resolved-file',
        schema: ['shop', 'public'],
        table,
        time: '1586106175123456789.0000000012',
      });
    }
  });

  test.each([
    ['orders', 'orders'],
    ['REAL-42', 'REAL-42'],
    ['db.schema.REAL-42', 'db.schema.REAL-42'],
  ])('an ndjson file names the topic %s', (topic, expected) => {
    expect(
      parseRequestPath(
        `/shop/public/2020-04-05/${ndjsonFile(topic)}`,
        postgres,
      ),
    ).toEqual({
      kind: 'ndjson-file',
      schema: ['shop', 'public'],
      table: null,
      topic: expected,
    });
  });

  test.each([
    '/',
    '',
    '/shop',
    '/shop/public/a/b',
    '/shop/public/a/b/c',
    '/1/2/3/4/5/6/7/8/9',
    '/shop/public/../x',
    '?/shop/public',
    '/shop/%zz',
    '/shop/%ff',
    '/shop/%00',
    '/shop/public/2020-04-05/x.RESOLVED',
    `/shop/public/2020-04-05/${file33}.RESOLVED`,
    '/shop/public/2020-04-05/202013051702551234567890000000012.RESOLVED',
    '/shop/public/2020-04-05/202004051702551234567893000000012.RESOLVED',
    '/shop/public/2020-04-05/999904051702551234567890000000012.RESOLVED',
    `/shop/public/2020-4-5/${resolvedFile}`,
  ])('%j is refused, and the right form is shown', (pathname) => {
    const { code, httpStatus, remedy } = refusal(pathname);
    expect({ code, httpStatus }).toEqual({ code: 'E1013', httpStatus: 404 });
    expect(remedy).toContain("INTO 'webhook-https://host:port/shop/public'");
  });

  test('no path makes it fail in another way', () => {
    const segment = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '2020-04-05',
        resolvedFile,
        ndjsonFile('t'),
        '%',
        '+',
        '%e',
      ),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 10 }), (segments) => {
        try {
          parseRequestPath(`/${segments.join('/')}`, postgres);
        } catch (error) {
          expect(error).toMatchObject({ code: 'E1013' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
