import { describe, expect, test } from 'vitest';
import { parsePostgresAddress as parse } from '../../../src/config/address/postgres.ts';

const parsePostgresAddress = (url: string) => parse(url, '--targetConn');

const config = (url: string) => {
  const { config: read } = parsePostgresAddress(url);
  return [read.host, read.port, read.user, read.password, read.database];
};

describe('the address of a PostgreSQL server', () => {
  test('is read as libpq reads it', () => {
    expect(config('postgresql://u%40x:p%2Fw@db.example:6000/my%20db')).toEqual([
      'db.example',
      6000,
      'u@x',
      'p/w',
      'my db',
    ]);
    expect(config('postgres://u@[::1]/d').slice(0, 3)).toEqual([
      '::1',
      5432,
      'u',
    ]);
    expect(config('postgresql:///d?host=/run/pg&user=u&password=x')).toEqual([
      '/run/pg',
      5432,
      'u',
      'x',
      'd',
    ]);
    expect(config('postgresql://u@h?dbname=d&port=1')[4]).toBe('d');
  });

  test('names the session, unless it gives a name itself', () => {
    const name = (url: string) =>
      parsePostgresAddress(url).config.application_name;
    expect(name('postgresql://h/d')).toBe('replicator');
    expect(name('postgresql://h/d?application_name=mine')).toBe('mine');
  });

  test('without a socket tries TLS first, and cleartext only where libpq would', () => {
    const ways = (query: string) =>
      parsePostgresAddress(`postgresql://h/d${query}`).attempts.map((attempt) =>
        attempt === false
          ? 'clear'
          : attempt.rejectUnauthorized
            ? 'verified'
            : 'tls',
      );
    expect(ways('')).toEqual(['tls', 'clear']);
    expect(ways('?sslmode=prefer')).toEqual(['tls', 'clear']);
    expect(ways('?sslmode=allow')).toEqual(['clear', 'tls']);
    expect(ways('?sslmode=disable')).toEqual(['clear']);
    expect(ways('?sslmode=require')).toEqual(['tls']);
    expect(ways('?sslmode=verify-full')).toEqual(['verified']);
    expect(ways('?host=/run/pg&sslmode=verify-full')).toEqual(['clear']);
  });

  test.each([
    ['a mistyped parameter', '?sslmod=verify-full', 'E5002'],
    ['an unknown sslmode', '?sslmode=on', 'E5002'],
    ['a port that is no number', '?port=x', 'E5002'],
    [
      'a missing certificate file',
      '?sslmode=verify-full&sslrootcert=/no/such',
      'E5005',
    ],
    ['verify-ca with everybody as authority', '?sslmode=verify-ca', 'E5007'],
  ])('refuses %s', (_, query, code) => {
    expect(() =>
      parsePostgresAddress(`postgresql://u:secret@h/d${query}`),
    ).toThrow(expect.objectContaining({ code }));
  });

  test('never shows the password when it cannot be read', () => {
    expect(() =>
      parsePostgresAddress('postgresql://u:secret@h:port/d'),
    ).toThrow(
      expect.objectContaining({
        code: 'E5002',
        message: expect.not.stringContaining('secret'),
      }),
    );
    expect(parsePostgresAddress('postgresql://u:secret@h/d').display).toBe(
      'h:5432/d',
    );
  });
});
