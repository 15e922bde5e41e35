import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../../src/failure/codes.ts';
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import {
  njsCodes,
  oraCode,
  oraNumbers,
  targetFailure,
} from '../../../../src/target/oracle/session/errors.ts';

/** As the driver makes it (lib/errors.js, transformErr). */
function serverError(message: string, code?: string): Error {
  const errorNum = Number(/ORA-(\d+)/.exec(message)![1]);
  return Object.assign(
    new Error(`${message}\nHelp: https://docs.oracle.com/error-help/db/`),
    { errorNum, code: code ?? `ORA-${errorNum}` },
  );
}

function driverError(code: string, message = `${code}: words`): Error {
  return Object.assign(new Error(message), { code });
}

function failure(error: Error): ReplicatorError {
  const found = targetFailure(error, 'statement');
  expect(found).toBeInstanceOf(ReplicatorError);
  return found as ReplicatorError;
}

describe('what Oracle says', () => {
  test.each<[number, ErrorCode]>([
    [1, 'E4013'],
    [60, 'E4003'],
    [1013, 'E4003'],
    [8177, 'E4003'],
    [2291, 'E4004'],
    [1400, 'E4005'],
    [2290, 'E4005'],
    [12899, 'E4006'],
    [1438, 'E4006'],
    [1722, 'E4006'],
    [1830, 'E4006'],
    [1861, 'E4006'],
    [20_001, 'E4005'],
    [1031, 'E4007'],
    [904, 'E4011'],
    [942, 'E4011'],
    [1017, 'E4015'],
    [12514, 'E4001'],
    [1653, 'E4010'],
    [16000, 'E4010'],
    [3113, 'E4002'],
    [1034, 'E4001'],
    [600, 'E4008'],
  ])('ORA-%i is %s', (number, code) => {
    expect(oraCode(number)).toBe(code);
  });

  test('every number is named once, in a range that Oracle has', () => {
    const numbers = Object.keys(oraNumbers).map(Number);
    expect(numbers.every((number) => number > 0 && number < 70_000)).toBe(true);
    expect(
      Object.keys(njsCodes).every((code) => /^NJS-\d{3}$/.test(code)),
    ).toBe(true);
  });

  test('names are shown', () => {
    expect(
      failure(
        serverError('ORA-00001: unique constraint (SHOP.ITEM_CODE) violated'),
      ).message,
    ).toBe('unique constraint (SHOP.ITEM_CODE) violated (ORA-00001)');
    expect(
      failure(
        serverError(
          'ORA-12899: value too large for column "SHOP"."ITEM"."CODE" (actual: 4, maximum: 3)',
        ),
      ).message,
    ).toContain('"SHOP"."ITEM"."CODE"');
  });

  test('of a number that is too large the column is', () => {
    expect(
      failure(
        serverError(
          'ORA-01438: value 1234 greater than specified precision (3, 0) for column N',
        ),
      ).message,
    ).toBe(
      'value greater than specified precision (3, 0) for column N (ORA-01438)',
    );
  });

  test('values of the row are not', () => {
    const said = [
      'ORA-00001: unique constraint (SHOP.ITEM_CODE) violated on table SHOP.ITEM columns (CODE)\nORA-03301: (ORA-00001 details) row with column values (CODE:secret) already exists',
      "ORA-01722: unable to convert string value containing 's' to a number: secret",
      'ORA-01858: A non-numeric character (secret) was found',
      'ORA-02291: integrity constraint (SHOP.FK) violated - parent key not found\nORA-03301: (PARENT:secret)',
      'ORA-20001: the row secret is refused\nORA-06512: at "SHOP.CHECKER", line 3\nORA-04088: error during execution of trigger \'SHOP.CHECKER\'',
      'ORA-40441: JSON syntax error\nJZN-00078: Invalid JSON keyword secret',
      'ORA-31011: XML parsing failed\nLPX-00210: secret',
      'ORA-01438: value secret greater than specified precision (3, 0) for column N',
      "ORA-14400: no partition found in table SHOP.ITEM for inserted partition key 'secret'",
    ];
    for (const message of said) {
      const shown = failure(serverError(message));
      expect(shown.line).not.toContain('secret');
      expect(shown.cause).toBeUndefined();
    }
  });

  test('a trigger is named, and refuses the row', () => {
    const found = failure(
      serverError(
        'ORA-20001: secret\nORA-06512: at "SHOP.CHECKER", line 3\nORA-04088: error during execution of trigger \'SHOP.CHECKER\'',
      ),
    );
    expect([found.code, found.message]).toEqual([
      'E4005',
      'a trigger or function refused the row (ORA-20001, trigger SHOP.CHECKER)',
    ]);
  });

  test('a failure at the commit is what made it fail', () => {
    const found = failure(
      serverError(
        'ORA-02091: transaction rolled back\nORA-02291: integrity constraint (SHOP.FK) violated - parent key not found',
      ),
    );
    expect([found.code, found.disposition]).toEqual(['E4004', 'defer']);
  });

  test('a session that the server ended keeps its number', () => {
    const found = failure(
      serverError(
        'NJS-500: connection to Oracle Database was closed or broken\nORA-03113: end-of-file on communication channel',
        'NJS-500',
      ),
    );
    expect([found.code, found.disposition]).toEqual(['E4002', 'retry']);
  });
});

describe('what the driver says', () => {
  test.each<[string, ErrorCode]>([
    ['NJS-123', 'E4003'],
    ['NJS-500', 'E4002'],
    ['NJS-521', 'E4002'],
    ['NJS-044', 'E4008'],
  ])('%s in a statement is %s', (code, ours) => {
    expect(failure(driverError(code)).code).toBe(ours);
  });

  test.each([
    driverError('NJS-123'),
    serverError('ORA-01013: user requested cancel of current operation'),
  ])('a commit that was broken off may have happened', (error) => {
    expect((targetFailure(error, 'commit') as ReplicatorError).code).toBe(
      'E4002',
    );
    expect(failure(error).code).toBe('E4003');
  });

  test('a fault of ours is told without the values that the driver saw', () => {
    const found = failure(
      driverError('NJS-058', 'NJS-058: maxSize of 32 is too small: secret'),
    );
    expect([found.code, found.message]).toEqual([
      'E4008',
      'the driver failed (NJS-058)',
    ]);
  });

  test.each<[string, ErrorCode]>([
    ['NJS-503', 'E4001'],
    ['NJS-510', 'E4001'],
    ['NJS-518', 'E4001'],
    ['NJS-521', 'E4001'],
    ['NJS-101', 'E4015'],
    ['NJS-116', 'E4015'],
    ['NJS-138', 'E4014'],
  ])('%s while dialling is %s', (code, ours) => {
    const found = targetFailure(driverError(code), 'connect', 'db:1521/shop');
    expect((found as ReplicatorError).code).toBe(ours);
    expect(found.message).toContain('db:1521/shop');
  });
});
