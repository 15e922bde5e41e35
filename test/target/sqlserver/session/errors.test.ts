import { describe, expect, test } from 'vitest';
import {
  errorNumbers,
  type Phase,
  serverErrorCode,
  targetFailure,
} from '../../../../src/target/sqlserver/session/errors.ts';
import type { ReplicatorError } from '../../../../src/failure/failure.ts';

const serverError = (number: number, message: string, more: object = {}) =>
  Object.assign(new Error(message), { number, class: 16, ...more });

const failure = (error: unknown, phase: Phase = 'statement') =>
  targetFailure(error, phase, 'h:1433/d') as ReplicatorError;

describe('what SQL Server says', () => {
  test.each([
    [1205, 'E4003', 'retry'],
    [1222, 'E4003', 'retry'],
    [3960, 'E4003', 'retry'],
    [3998, 'E4003', 'retry'],
    [13_535, 'E4003', 'retry'],
    [2627, 'E4013', 'defer'],
    [2601, 'E4013', 'defer'],
    [50_013, 'E4013', 'defer'],
    [515, 'E4005', 'set-aside'],
    [50_000, 'E4005', 'set-aside'],
    [51_234, 'E4005', 'set-aside'],
    [8115, 'E4006', 'set-aside'],
    [2628, 'E4006', 'set-aside'],
    [8152, 'E4006', 'set-aside'],
    // XML: not well formed; not of the column's schema.
    [9420, 'E4006', 'set-aside'],
    [9436, 'E4006', 'set-aside'],
    [6908, 'E4006', 'set-aside'],
    [233, 'E4005', 'set-aside'],
    [245, 'E4006', 'set-aside'],
    [229, 'E4007', 'halt'],
    [18_456, 'E4015', 'halt'],
    [4060, 'E4015', 'halt'],
    [207, 'E4011', 'retry'],
    [208, 'E4011', 'retry'],
    [9002, 'E4010', 'retry'],
    [3906, 'E4010', 'retry'],
    [40_501, 'E4010', 'retry'],
    [40_613, 'E4001', 'retry'],
    [976, 'E4001', 'retry'],
    [40_197, 'E4002', 'retry'],
    // Whatever nobody knows halts.
    [102, 'E4008', 'halt'],
    [545, 'E4008', 'halt'],
    [33_557_097, 'E4008', 'halt'],
  ])('with error %i is %s', (number, code, disposition) => {
    const { code: told, disposition: then } = failure(serverError(number, 'x'));
    expect([told, then]).toEqual([code, disposition]);
  });

  test.each([
    [
      'The INSERT statement conflicted with the FOREIGN KEY constraint "fk". The conflict occurred in database "d", table "dbo.p", column \'id\'.',
      'E4004',
    ],
    [
      'The DELETE statement conflicted with the REFERENCE constraint "fk".',
      'E4004',
    ],
    [
      'The INSERT statement conflicted with the FOREIGN KEY SAME TABLE constraint "fk".',
      'E4004',
    ],
    [
      'The INSERT statement conflicted with the CHECK constraint "REFERENCES". The conflict occurred in database "d", table "dbo.p", column \'id\'.',
      'E4005',
    ],
  ])(
    'with error 547 depends on the kind of constraint: %s',
    (message, code) => {
      expect(serverErrorCode({ number: 547, message })).toBe(code);
    },
  );

  test.each([
    [
      2627,
      "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'dbo.item'. The duplicate key value is (secret).",
      "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'dbo.item' (error 2627)",
    ],
    [
      2601,
      "Cannot insert duplicate key row in object 'dbo.item' with unique index 'ux'. The duplicate key value is (secret, 1).",
      "Cannot insert duplicate key row in object 'dbo.item' with unique index 'ux' (error 2601)",
    ],
    [
      2628,
      "String or binary data would be truncated in table 'd.dbo.item', column 'name'. Truncated value: 'secret'.",
      "String or binary data would be truncated in table 'd.dbo.item', column 'name' (error 2628)",
    ],
    [
      245,
      "Conversion failed when converting the nvarchar value 'secret' to data type int.",
      'Conversion failed when converting the nvarchar value (error 245)',
    ],
    [
      220,
      'Arithmetic overflow error for data type tinyint, value = 777.',
      'Arithmetic overflow error for data type tinyint (error 220)',
    ],
    [
      51_000,
      'the customer secret is blocked',
      'a trigger or procedure refused the row (error 51000, in dbo.guard)',
    ],
    [
      102,
      "Incorrect syntax near 'secret'.",
      'the target refused a statement (error 102, in dbo.guard)',
    ],
  ])(
    'with error %i is told without the values of a row',
    (number, message, told) => {
      const more = told.includes('dbo.guard') ? { procName: 'dbo.guard' } : {};
      expect(failure(serverError(number, message, more)).message).toBe(told);
    },
  );

  test('of several errors of one statement the first that is known counts', () => {
    expect(
      failure(
        new AggregateError([
          serverError(102, 'x'),
          serverError(1205, 'deadlock'),
          serverError(3621, 'The statement has been terminated.'),
        ]),
      ).code,
    ).toBe('E4003');
    // In a trigger, which ends the transaction then.
    expect(
      failure(
        new AggregateError([
          serverError(547, 'conflicted with the FOREIGN KEY constraint "fk".'),
          serverError(3609, 'The transaction ended in the trigger.'),
        ]),
      ).code,
    ).toBe('E4004');
  });

  test('from severity 20 on the session is lost, whatever the number', () => {
    expect(failure(serverError(824, 'x', { class: 24 })).code).toBe('E4002');
    expect(failure(serverError(824, 'x', { class: 24 }), 'connect').code).toBe(
      'E4001',
    );
  });
});

describe('what the driver says', () => {
  const driverError = (code: string, message = 'x', cause?: unknown) =>
    Object.assign(new Error(message, { cause }), { code });

  test.each([
    ['a request that took too long', driverError('ETIMEOUT'), 'E4003'],
    ['a socket that broke', driverError('ESOCKET'), 'E4002'],
    ['a connection that closed', driverError('ECLOSE'), 'E4002'],
    ['a connection in a wrong state', driverError('EINVALIDSTATE'), 'E4002'],
  ])('of %s', (_, error, code) => {
    expect(failure(error).code).toBe(code);
  });

  test('of a commit that took too long leaves open whether it happened', () => {
    expect(failure(driverError('ETIMEOUT'), 'commit').code).toBe('E4002');
    expect(failure(driverError('ECLOSE'), 'commit').code).toBe('E4002');
  });

  test.each([
    ['nobody listens', 'ESOCKET', 'x', { code: 'ECONNREFUSED' }, 'E4001'],
    ['no answer', 'ETIMEOUT', 'x', {}, 'E4001'],
    [
      'a certificate',
      'ESOCKET',
      'x',
      { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      'E4015',
    ],
    ['a refused login', 'ELOGIN', 'x', {}, 'E4015'],
    ['no TLS', 'EENCRYPT', 'Server did not negotiate encryption', {}, 'E4001'],
  ])('while it dials: %s', (_, code, message, cause, expected) => {
    const error = driverError(
      code,
      message,
      Object.assign(new Error('inner'), cause),
    );
    expect(failure(error, 'connect').code).toBe(expected);
  });

  test('is passed on where it is an abort', () => {
    const abort = new DOMException('stop', 'AbortError');
    expect(targetFailure(abort, 'statement')).toBe(abort);
  });
});

test('every number has a code of the target', () => {
  expect(
    Object.values(errorNumbers).filter((code) => !code.startsWith('E40')),
  ).toEqual([]);
});
