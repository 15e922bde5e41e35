import { describe, expect, test } from 'vitest';
import { parseMysqlAddress as parse } from '../../../src/config/address/mysql.ts';
import { ReplicatorError } from '../../../src/failure/failure.ts';

const parseMysqlAddress = (url: string) => parse(url, '--targetConn');

const login = (url: string) => {
  const { host, port, user, password, database } = parseMysqlAddress(url);
  return [host, port, user, password, database];
};

function refusal(url: string): ReplicatorError {
  try {
    parseMysqlAddress(url);
  } catch (error) {
    expect(error).toBeInstanceOf(ReplicatorError);
    return error as ReplicatorError;
  }
  throw new Error('it was accepted');
}

describe('the address of a MySQL or MariaDB server', () => {
  test('is a URL with one database', () => {
    expect(login('mysql://u%40x:p%2Fw@db.example:3307/my%20db')).toEqual([
      'db.example',
      3307,
      'u@x',
      'p/w',
      'my db',
    ]);
    expect(login('mariadb://u@[::1]/d')).toEqual(['::1', 3306, 'u', '', 'd']);
    expect(parseMysqlAddress('mysql://u:secret@h/d').display).toBe('h:3306/d');
    for (const url of ['mysql://u@h', 'mysql://u@h/', 'mysql://u@h/a/b']) {
      const failure = refusal(url);
      expect([failure.code, failure.remedy]).toEqual([
        'E5002',
        'write mysql://<user>:<password>@<host>:3306/<database>',
      ]);
    }
    expect(refusal('mysql:nonsense').code).toBe('E5002');
  });

  test('has the TLS parameters of libpq, and no others', () => {
    const attempts = (query: string) =>
      parseMysqlAddress(`mysql://u@h/d?${query}`).attempts.map((tls) =>
        tls === false
          ? 'clear'
          : `${tls.rejectUnauthorized ? 'verified' : 'any'}${tls.checkServerIdentity ? '' : ' name'}`,
      );
    expect(attempts('')).toEqual(['any', 'clear']);
    expect(attempts('sslmode=disable')).toEqual(['clear']);
    expect(attempts('sslmode=require')).toEqual(['any']);
    expect(attempts('sslmode=verify-full')).toEqual(['verified name']);
    expect(refusal('mysql://u@h/d?sslmode=on').code).toBe('E5002');
    expect(refusal('mysql://u@h/d?ssl=true').message).toContain('"ssl"');
    expect(
      refusal('mysql://u@h/d?sslrootcert=/nowhere/ca&sslmode=verify-ca').code,
    ).toBe('E5005');
    expect(refusal('mysql://u@h/d?sslmode=verify-ca').code).toBe('E5007');
  });

  test.each([
    'mysql://u:1/s3cret@h/d',
    'mysql://u:1?s3cret@h/d',
    'mysql://u:1#s3cret@h/d',
    'mysql:u:s3cret@h/d',
    'mysql://u:p@h/d?s3cret@x=1',
    'mysql://u:1/s3cret?sslmode=disable&application_name=x@h/d',
  ])('shows nothing of a password that is not encoded: %s', (url) => {
    expect(refusal(url).code).toBe('E5002');
    expect(refusal(url).line).not.toContain('s3cret');
  });

  test('limits the time of a dial', () => {
    const limit = (query: string) =>
      parseMysqlAddress(`mysql://u@h/d?${query}`).connectTimeoutMs;
    expect([
      limit(''),
      limit('connect_timeout=3'),
      limit('connect_timeout=0'),
    ]).toEqual([10_000, 3_000, 10_000]);
    expect(refusal('mysql://u@h/d?connect_timeout=soon').code).toBe('E5002');
  });
});
