import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  accessTokenOf,
  takeAccessToken,
} from '../../../../src/source/changefeed/callers/access-token.ts';

function requestFor(url: string): IncomingMessage {
  return {
    url,
    headers: { ':path': url },
    rawHeaders: [':method', 'POST', ':path', url],
  } as unknown as IncomingMessage;
}

test.each([
  ['/a/b?access_token=s3cret', '/a/b', 's3cret'],
  ['/a/b?x=1&access_token=s3cret&y=2', '/a/b?x=1&y=2', 's3cret'],
  ['/a/b?ACCESS_TOKEN=s3cret', '/a/b', 's3cret'],
  ['/a/b?acc%65ss_token=s3%63ret', '/a/b', 's3cret'],
  ['/a/b?access_token%20=s3cret', '/a/b', 's3cret'],
  ['/a/b?access_token', '/a/b', ''],
  ['/a/b?access_token=%zz', '/a/b', ''],
  ['/a/b?access_token=s3cret&access_token=other', '/a/b', ''],
  ['/a/b?x=access_token', '/a/b?x=access_token', null],
  ['/a/b', '/a/b', null],
])('of %s only %s is left to be seen', (url, rest, token) => {
  const request = requestFor(url);
  takeAccessToken(request);
  expect(request.url).toBe(rest);
  expect(request.headers[':path']).toBe(rest);
  expect(request.rawHeaders).toEqual([':method', 'POST', ':path', rest]);
  expect(accessTokenOf(request)).toBe(token);
});

test('a header whose value is the name of the path does not hide the path', () => {
  const request = requestFor('/a/b?access_token=s3cret');
  request.rawHeaders.unshift(':authority', ':path');
  takeAccessToken(request);
  expect(request.rawHeaders).toEqual([
    ':authority',
    ':path',
    ':method',
    'POST',
    ':path',
    '/a/b',
  ]);
});

test('however the name is written and wherever it stands, the token is not left in the URL', () => {
  const secret = 'eyJsecret.eyJsecret.secret';
  const spelled = fc
    .array(fc.constantFrom('as is', 'capital', 'encoded'), {
      minLength: 12,
      maxLength: 12,
    })
    .map((ways) =>
      ways
        .map((way, index) => {
          const letter = 'access_token'[index]!;
          return way === 'encoded'
            ? `%${letter.charCodeAt(0).toString(16)}`
            : way === 'capital'
              ? letter.toUpperCase()
              : letter;
        })
        .join(''),
    );
  const harmless = fc.constantFrom(
    '',
    'x',
    'x=1',
    '=',
    'token=2',
    'a=b=c',
    '%',
  );
  fc.assert(
    fc.property(
      fc.array(harmless, { maxLength: 4 }),
      spelled,
      fc.array(harmless, { maxLength: 4 }),
      (before, name, after) => {
        const query = [...before, `${name}=${secret}`, ...after].join('&');
        const request = requestFor(`/db/public?${query}`);
        takeAccessToken(request);
        expect(accessTokenOf(request)).toBe(secret);
        const left = [...before, ...after].join('&');
        expect(request.url).toBe(
          before.length + after.length === 0
            ? '/db/public'
            : `/db/public?${left}`,
        );
        expect(JSON.stringify(request)).not.toContain('secret');
      },
    ),
  );
});
