import { describe, expect, test } from 'vitest';
import {
  askedOfCallers,
  checkStartOptions,
  insecureOptions,
} from '../../src/config/check.ts';
import { defaultValues } from '../../src/config/load.ts';
import { type StartValues, startOptions } from '../../src/config/options.ts';

const safe: StartValues = {
  ...defaultValues(startOptions),
  targetConn: 'postgresql://target/db',
  tlsCertificate: 'server.crt',
  tlsPrivateKey: 'server.key',
  tlsClientCA: 'ca.crt',
};
const cleartext: StartValues = {
  ...safe,
  tlsCertificate: '',
  tlsPrivateKey: '',
  tlsClientCA: '',
  disableAuthentication: true,
};

function refusal(values: StartValues): string {
  try {
    return checkStartOptions(values).join('\n');
  } catch (error) {
    return (error as { line: string }).line;
  }
}

test.each([
  [{}, ['certificate']],
  [{ authentication: 'both' }, ['certificate', 'token']],
  [{ tlsClientCA: '' }, ['token']],
  [{ tlsClientCA: '', authentication: 'token' }, ['token']],
  [{ tlsClientCA: '', disableAuthentication: true }, []],
] as const)('with %j callers are asked for %j', (change, asked) => {
  const values = { ...safe, ...change };
  expect(checkStartOptions(values)).toEqual(
    asked.length > 0 ? [] : [expect.stringContaining('anyone who reaches')],
  );
  expect(askedOfCallers(values)).toEqual(asked);
});

test('certificate, key and client authority are all that a safe start needs', () => {
  expect(checkStartOptions(safe)).toEqual([]);
});

test('what the peer takes and what has no effect here is warned about, not refused', () => {
  expect(checkStartOptions({ ...safe, assumeIdempotent: true })).toEqual([
    '--assumeIdempotent means nothing without --immediate',
  ]);
  const immediate = { ...safe, immediate: true, assumeIdempotent: true };
  expect(checkStartOptions(immediate)).toEqual([]);
});

describe.each([
  ['without a target', { targetConn: '' }, 'E5004 --targetConn must be given'],
  [
    'more parallel transactions than 80 % of the pool',
    { parallelism: 9, targetMaxPoolSize: 10 },
    'E5003 --parallelism 9 is more than 80 % of --targetMaxPoolSize 10: lower --parallelism to 8, or raise --targetMaxPoolSize to 12',
  ],
  [
    'dead letters without a table',
    { dlqTableName: '' },
    'E5002 --dlqTableName is empty',
  ],
  [
    'dead letters in the table of the watermark',
    { dlqTableName: 'replicator_checkpoint' },
    'E5003 --dlqTableName replicator_checkpoint is the table of the watermark',
  ],
  [
    'two modes',
    { immediate: true, bestEffortOnly: true },
    'E5003 --immediate and --bestEffortOnly contradict each other: leave --immediate out',
  ],
  [
    'a mode and a window for another one',
    { immediate: true, bestEffortWindow: 1 },
    'E5003 --immediate and --bestEffortWindow contradict each other',
  ],
  [
    'rows that go ahead, and triggers that must see each change',
    { bestEffortWindow: 1, collapseMutations: false },
    'E5003 --collapseMutations=false and --bestEffortWindow contradict each other: a row that goes ahead passes over its older versions',
  ],
  [
    'an exception to a mode that is not asked for',
    { immediateForeignKeys: true },
    'E5003 --immediateForeignKeys means nothing without --immediate: leave it out',
  ],
  [
    'a certificate without a key',
    { tlsPrivateKey: '' },
    'E5003 --tlsCertificate is given without --tlsPrivateKey: give --tlsPrivateKey too: the two belong together',
  ],
  [
    'a key without a certificate',
    { tlsCertificate: '' },
    'E5003 --tlsPrivateKey is given without --tlsCertificate: give --tlsCertificate too: the two belong together',
  ],
  [
    'two certificates',
    { tlsSelfSigned: true },
    'E5003 --tlsSelfSigned and --tlsCertificate contradict each other',
  ],
  [
    'certificates asked for that nobody could verify',
    { tlsClientCA: '', authentication: 'certificate' },
    'E5003 --authentication certificate asks for client certificates, and without --tlsClientCA none could be verified: give --tlsClientCA',
  ],
  [
    'both asked for, and certificates that nobody could verify',
    { tlsClientCA: '', authentication: 'both' },
    'E5003 --authentication both asks for client certificates, and without',
  ],
  [
    'an authority nobody looks at',
    { authentication: 'token' },
    'E5003 --authentication token looks at no client certificate, and --tlsClientCA asks for one: give --authentication both',
  ],
  [
    'tokens asked for, and anyone let in',
    { tlsClientCA: '', authentication: 'token', disableAuthentication: true },
    'E5003 --authentication asks callers who they are and --disableAuthentication lets anyone in',
  ],
  [
    'subjects of certificates that nobody asks for',
    {
      tlsClientCA: '',
      authentication: 'token',
      tlsAllowedSubjects: '*=cn:feed',
    },
    'E5003 --tlsAllowedSubjects speaks of client certificates, and none are asked for: give --tlsClientCA',
  ],
  [
    'subjects, and anyone let in',
    {
      tlsClientCA: '',
      disableAuthentication: true,
      tlsAllowedSubjects: '*=cn:feed',
    },
    'E5003 --tlsAllowedSubjects speaks of client certificates, and none are asked for',
  ],
  [
    'subjects that say nothing',
    { tlsAllowedSubjects: ' ' },
    'E5002 --tlsAllowedSubjects: " " names nobody: write schema=cn:name',
  ],
  [
    'asked, and let in anyway',
    { disableAuthentication: true },
    'E5003 --tlsClientCA asks callers who they are and --disableAuthentication lets anyone in',
  ],
  [
    'a bad address',
    { bindAddr: 'here' },
    'E5002 --bindAddr "here" is not an address',
  ],
  [
    'a bad metrics address',
    { metricsAddr: ':99999' },
    'E5002 --metricsAddr ":99999" is not an address',
  ],
  [
    'one address twice',
    { metricsAddr: ':26258' },
    'E5003 --metricsAddr is the same address as --bindAddr',
  ],
  [
    'hasty snapshots',
    { metricsSnapshotPeriod: 14_999, metricsAddr: ':1' },
    'E5002 --metricsSnapshotPeriod is less than 15s',
  ],
  [
    'snapshots without --metricsAddr',
    { metricsSnapshotPeriod: 15_000 },
    'E5003 --metricsSnapshotPeriod needs --metricsAddr',
  ],
  [
    'snapshots kept for ever',
    {
      metricsSnapshotPeriod: 15_000,
      metricsAddr: ':1',
      metricsSnapshotRetentionTime: 0,
    },
    'E5003 metrics snapshots would fill the disk: both retention rules are off',
  ],
  [
    'backoff that shrinks',
    { retryMaxBackoff: 1 },
    'E5003 --retryMaxBackoff is less than --retryInitialBackoff',
  ],
] as const)('%s', (_, change, line) => {
  test('is refused in one line with its remedy', () => {
    const text = refusal({ ...safe, ...change });
    expect(text).toContain(line);
    expect(text).not.toContain('\n');
  });
});

describe('cleartext', () => {
  test.each([
    ':26258',
    '0.0.0.0:26258',
    '[::]:26258',
    '10.0.0.1:1',
    'db.example:1',
    '127.0.0.1.example:1',
  ])('is refused on %s, which other machines reach', (bindAddr) => {
    expect(refusal({ ...cleartext, bindAddr })).toContain(
      `E5007 other machines reach --bindAddr ${bindAddr}`,
    );
  });

  test.each(['127.0.0.1:0', 'localhost:1', '[::1]:26258', '127.8.9.1:1'])(
    'is allowed on %s',
    (bindAddr) => {
      expect(refusal({ ...cleartext, bindAddr })).toContain(
        '--disableAuthentication: anyone',
      );
    },
  );

  test('is allowed anywhere with --insecureHttp, and said loudly', () => {
    expect(checkStartOptions({ ...cleartext, insecureHttp: true })).toContain(
      '--insecureHttp: rows travel in cleartext',
    );
  });

  test('carries no tokens to other machines unless that is accepted, and said loudly', () => {
    const byToken = { ...cleartext, disableAuthentication: false };
    expect(refusal({ ...byToken, bindAddr: '0.0.0.0:1' })).toContain(
      'E5007 other machines reach --bindAddr 0.0.0.0:1',
    );
    expect(refusal({ ...byToken, bindAddr: '127.0.0.1:1' })).toBe('');
    expect(
      refusal({ ...byToken, bindAddr: '0.0.0.0:1', insecureHttp: true }),
    ).toContain('and so do the tokens of callers');
  });

  test('has no client certificates to ask for', () => {
    expect(
      refusal({
        ...cleartext,
        bindAddr: '127.0.0.1:1',
        disableAuthentication: false,
        tlsClientCA: 'ca.crt',
      }),
    ).toContain(
      'E5003 --tlsClientCA asks for client certificates, which need TLS',
    );
  });
});

test('--discard is said loudly', () => {
  expect(checkStartOptions({ ...safe, discard: true })[0]).toContain(
    'THROWN AWAY',
  );
});

test('what makes a daemon unsafe is named one by one', () => {
  expect(insecureOptions(safe)).toEqual([]);
  expect(
    insecureOptions({ ...cleartext, insecureHttp: true, discard: true }),
  ).toEqual(['discard', 'disableAuthentication', 'insecureHttp']);
});
