import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  redactConfig,
  redactText,
  redactUrl,
} from '../../src/config/redact.ts';
import { startOptions } from '../../src/config/options.ts';

test.each([
  [
    'postgresql://u:p@host:5432/db?sslmode=require',
    'postgresql://***@host:5432/db?sslmode=require',
  ],
  [
    'postgresql://host/db?user=u&password=p&x=1',
    'postgresql://host/db?user=u&password=***&x=1',
  ],
  [
    'webhook-https://h:26258/db/public?client_cert=c&client_key=k',
    'webhook-https://h:26258/db/public?client_cert=c&client_key=***',
  ],
  [
    'host=h user=u password=hunter2 dbname=d',
    'host=h user=u password=*** dbname=d',
  ],
  ['password=hunter2', 'password=***'],
  ['https://host/path', 'https://host/path'],
  [
    'https://registry.example/@scope/package',
    'https://registry.example/@scope/package',
  ],
  ['', ''],
])('%s is shown as %s', (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

test('in a sentence only the URL changes', () => {
  expect(
    redactText(
      'could not reach postgres://u:p@h/db (ECONNREFUSED), see https://x.y',
    ),
  ).toBe('could not reach postgres://***@h/db (ECONNREFUSED), see https://x.y');
});

test('a bearer token is hidden', () => {
  expect(redactText('authorization: Bearer abc.def-ghi')).toBe(
    'authorization: Bearer ***',
  );
});

test.each([
  [
    "INTO 'webhook-https://h:1/db/s?client_cert=Yw&client_key=a2V5' WITH updated",
    "INTO 'webhook-https://h:1/db/s?client_cert=Yw&client_key=***' WITH updated",
  ],
  ["INTO 'https://h/d?client_key=k'", "INTO 'https://h/d?client_key=***'"],
  ["('https://h/d?token=k', 1)", "('https://h/d?token=***', 1)"],
  ['{"url":"https://h/d?token=k"}', '{"url":"https://h/d?token=***"}'],
  ["https://h/d?token=k'k&a=1", 'https://h/d?token=***&a=1'],
])('a quotation keeps its end: %s', (text, shown) => {
  expect(redactText(text)).toBe(shown);
});

test.each([
  "INTO 'webhook-https://h:1/db/s?client_cert=<base64>&client_key=<base64>' WITH updated",
  'https://h/d?client_key=<client-key>',
])('a placeholder is no secret: %s', (text) => {
  expect(redactText(text)).toBe(text);
});

test('what only begins like a placeholder is hidden', () => {
  expect(redactText('https://h/d?password=<a>b')).toBe(
    'https://h/d?password=***',
  );
});

/** Long enough not to stand by chance in the rest of the text. */
const secret = fc
  .string({ unit: 'grapheme-ascii', minLength: 6, maxLength: 30 })
  .map((text) => `s3cr${text}t`);
const quiet = { numRuns: 500 };

describe('a planted secret never appears', () => {
  test('percent-encoded as a password', () => {
    fc.assert(
      fc.property(secret, (text) => {
        const planted = encodeURIComponent(text);
        const url = `postgresql://user:${planted}@host:5432/db`;
        expect(redactUrl(url)).not.toContain(planted);
        expect(redactText(`dialling ${url} failed`)).not.toContain(planted);
      }),
      quiet,
    );
  });

  test('typed unescaped as a password of an option, whatever its characters', () => {
    fc.assert(
      fc.property(secret, (planted) => {
        expect(redactUrl(`postgresql://user:${planted}@host/db`)).toBe(
          'postgresql://***@host/db',
        );
      }),
      quiet,
    );
  });

  test('in the JSON of a log line, which stays JSON', () => {
    fc.assert(
      fc.property(
        secret.filter((text) => !/[\s`<>]/.test(text)),
        (planted) => {
          const line = JSON.stringify({
            url: `postgresql://user:${planted}@host/db`,
            after: 'x',
          });
          const shown = redactText(line);
          expect(JSON.parse(shown)).toEqual({
            url: 'postgresql://***@host/db',
            after: 'x',
          });
        },
      ),
      quiet,
    );
  });

  test.each(['client_key', 'access_token', 'password', 'sslpassword'])(
    'as the parameter %s',
    (name) => {
      fc.assert(
        fc.property(secret, (text) => {
          const planted = encodeURIComponent(text);
          expect(redactUrl(`https://host/db?a=1&${name}=${planted}&b=2`)).toBe(
            `https://host/db?a=1&${name}=***&b=2`,
          );
        }),
        quiet,
      );
    },
  );

  test('as a parameter of a quoted URL, whose end stays', () => {
    fc.assert(
      fc.property(secret, (text) => {
        const planted = encodeURIComponent(text);
        expect(
          redactText(`INTO 'https://host/db?client_key=${planted}' WITH diff`),
        ).toBe("INTO 'https://host/db?client_key=***' WITH diff");
      }),
      quiet,
    );
  });

  test('in the options as a status shows them', () => {
    fc.assert(
      fc.property(secret, (planted) => {
        const shown = redactConfig(
          {
            targetConn: `postgresql://user:${planted}@host/db`,
            stagingConn: `user=u password=${planted}`,
            dataDir: `https://u:${planted}@host/`,
            flushSize: 7,
          },
          startOptions,
        );
        expect(shown).toEqual({
          targetConn: 'postgresql://***@host/db',
          stagingConn: '***',
          dataDir: 'https://***@host/',
          flushSize: 7,
        });
      }),
      quiet,
    );
  });
});

test.each([
  ["connect with password='a b c' failed", 'connect with password=*** failed'],
  ['Server=h;Uid=u;Pwd=hunter2;', 'Server=h;Uid=u;Pwd=***;'],
  ["WITH webhook_auth_header='Basic aGVsbG8='", 'WITH webhook_auth_header=***'],
  ['{"password":"hunter2","host":"h"}', '{"password":"***","host":"h"}'],
  [
    'key -----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY----- read',
    'key *** read',
  ],
  ['cut -----BEGIN PRIVATE KEY-----\nMHcC', 'cut ***'],
  ['client LS0tLS1CRUdJTiBQUklW+/a= end', 'client *** end'],
  ['token eyJhbGciOiJFUzI1NiJ9.eyJpYXQiOjF9.c2ln refused', 'token *** refused'],
  ['"https://someone:hunter" is cut off', '"https://***" is cut off'],
])('%s is shown as %s', (text, shown) => {
  expect(redactText(text)).toBe(shown);
});

test.each([
  'listening on https://127.0.0.1:26258/',
  'write https://host:port/database/schema',
  'dialling postgresql://[::1]:5432/db',
])('%s holds no secret', (text) => {
  expect(redactText(text)).toBe(text);
});
