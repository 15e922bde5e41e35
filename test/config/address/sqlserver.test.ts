import { describe, expect, test } from 'vitest';
import { parseSqlServerAddress as parse } from '../../../src/config/address/sqlserver.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';

const parseAddress = (url: string) => parse(url, '--targetConn');

describe('the address of a SQL Server', () => {
  test('names host, port, account and database, percent-encoded where needed', () => {
    expect(
      parseAddress('sqlserver://u%40x:p%2Fw@db.example:6000/my%20db'),
    ).toMatchObject({
      host: 'db.example',
      port: 6000,
      user: 'u@x',
      password: 'p/w',
      database: 'my db',
      display: 'db.example:6000/my db',
    });
    expect(parseAddress('mssql://u:p@[::1]/d')).toMatchObject({
      host: '::1',
      port: 1433,
      database: 'd',
    });
  });

  test('logs in as a replication agent, unless it says otherwise', () => {
    expect(parseAddress('sqlserver://h/d').replication).toBe(true);
    expect(parseAddress('sqlserver://h/d?replication=false').replication).toBe(
      false,
    );
  });

  test('names the session, unless it gives a name itself', () => {
    const name = (url: string) => parseAddress(url).applicationName;
    expect(name('sqlserver://h/d')).toBe('replicator');
    expect(name('sqlserver://h/d?application_name=mine')).toBe('mine');
  });

  test('tries TLS first, and cleartext only where libpq would', () => {
    const ways = (query: string) =>
      parseAddress(`sqlserver://h/d${query}`).attempts.map((attempt) =>
        attempt === false
          ? 'clear'
          : attempt.rejectUnauthorized
            ? 'verified'
            : 'tls',
      );
    expect(ways('')).toEqual(['tls', 'clear']);
    expect(ways('?sslmode=allow')).toEqual(['clear', 'tls']);
    expect(ways('?sslmode=disable')).toEqual(['clear']);
    expect(ways('?sslmode=require')).toEqual(['tls']);
    expect(ways('?sslmode=verify-full')).toEqual(['verified']);
  });

  test.each([
    ['no database', 'sqlserver://u:secret@h', 'E5002'],
    ['two databases', 'sqlserver://u:secret@h/a/b', 'E5002'],
    ['a mistyped parameter', 'sqlserver://u:secret@h/d?sslmod=x', 'E5002'],
    ['an unknown sslmode', 'sqlserver://u:secret@h/d?sslmode=on', 'E5002'],
    [
      'a switch that is none',
      'sqlserver://u:secret@h/d?replication=1',
      'E5002',
    ],
    [
      'a missing certificate file',
      'sqlserver://u:secret@h/d?sslmode=verify-full&sslrootcert=/no/such',
      'E5005',
    ],
    [
      'verify-ca with everybody as authority',
      'sqlserver://u:secret@h/d?sslmode=verify-ca',
      'E5007',
    ],
    ['no URL', 'sqlserver://u:secret@h:port/d', 'E5002'],
  ])('with %s is refused, and the password is not shown', (_, url, code) => {
    expect(() => parseAddress(url)).toThrow(
      expect.objectContaining({
        code,
        message: expect.not.stringContaining('secret'),
      }),
    );
  });

  test.each(['sqlserver', 'mssql'])(
    'with the scheme %s opens a target without dialling',
    async (scheme) => {
      await using target = await openTarget({
        url: `${scheme}://u:p@nowhere.invalid/shop`,
        ...defaultTargetOptions,
      });
      expect(target).toMatchObject({
        engine: 'sqlserver',
        schemaNameParts: 2,
        examplePath: '/shop/dbo',
      });
      expect(target.poolCounts().dialCount).toBe(0);
    },
  );
});
