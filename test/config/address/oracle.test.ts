import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseOracleAddress as parse } from '../../../src/config/address/oracle.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';

const parseOracleAddress = (url: string) => parse(url, '--targetConn');

const code = (url: string): string => {
  try {
    parseOracleAddress(url);
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the address of an Oracle server', () => {
  test('names host, port, service and account', () => {
    expect(
      parseOracleAddress(
        'oracle://C%23%23MOVER:p%2Fw@db.example:1522/ORCLPDB1.example.com',
      ),
    ).toEqual({
      host: 'db.example',
      port: 1522,
      service: 'ORCLPDB1.example.com',
      user: 'C##MOVER',
      password: 'p/w',
      tls: null,
      connectTimeoutMs: 10_000,
      applicationName: 'replicator',
      display: 'db.example:1522/ORCLPDB1.example.com',
    });
    const { host, port, connectTimeoutMs } = parseOracleAddress(
      'oracle://u@[::1]/FREEPDB1?connect_timeout=3',
    );
    expect([host, port, connectTimeoutMs]).toEqual(['::1', 1521, 3000]);
  });

  test.each([
    ['oracle://u:p@h'],
    ['oracle://u:p@h/a/b'],
    ['oracle:///service'],
    ['oracle://u:p@h/a)(b=c'],
    ['oracle://u:p@h/svc?sid=X'],
    ['oracle://u:p@h/svc?connect_timeout=x'],
    ['oracle://u:p@h/svc?sslmode=nonsense'],
    // A port speaks TLS or it does not: nothing can be tried first.
    ['oracle://u:p@h/svc?sslmode=prefer'],
    ['oracle://u:p@h/svc?sslmode=allow'],
  ])('%s is not one', (url) => {
    expect(code(url)).toBe('E5002');
  });

  test('is cleartext only where nothing else is said', () => {
    expect(parseOracleAddress('oracle://h/s').tls).toBeNull();
    expect(parseOracleAddress('oracle://h/s?sslmode=disable').tls).toBeNull();
    const full = parseOracleAddress('oracle://h/s?sslmode=verify-full').tls!;
    expect(full).toMatchObject({ identity: null, matchesName: true });
    expect(full.roots).toContain('BEGIN CERTIFICATE');
  });

  test('takes no certificate unseen', () => {
    expect(code('oracle://h/s?sslmode=require')).toBe('E5007');
    expect(code('oracle://h/s?sslmode=verify-ca')).toBe('E5007');
    expect(code('oracle://h/s?sslmode=verify-full&sslrootcert=/none')).toBe(
      'E5005',
    );
  });

  test('reads the certificates that it names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oracle-address-'));
    try {
      const file = async (name: string): Promise<string> => {
        const path = join(folder, name);
        await writeFile(path, `PEM of ${name}`);
        return path;
      };
      const [root, cert, key] = [
        await file('root'),
        await file('cert'),
        await file('key'),
      ];
      const files = `sslrootcert=${root}&sslcert=${cert}&sslkey=${key}`;
      for (const mode of ['require', 'verify-ca'] as const) {
        expect(
          parseOracleAddress(`oracle://h/s?sslmode=${mode}&${files}`).tls,
        ).toEqual({
          roots: 'PEM of root',
          identity: { cert: 'PEM of cert', key: 'PEM of key' },
          matchesName: false,
        });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('opens a target of one path segment, and dials nothing', async () => {
    await using target = await openTarget({
      url: 'oracle://shop:secret@127.0.0.1:1/FREEPDB1',
      ...defaultTargetOptions,
    });
    expect([target.engine, target.schemaNameParts, target.examplePath]).toEqual(
      ['oracle', 1, '/SHOP'],
    );
    await expect(target.ping()).rejects.toMatchObject({
      code: 'E4001',
      disposition: 'retry',
      message: expect.stringContaining('127.0.0.1:1/FREEPDB1'),
    });
  });
});
