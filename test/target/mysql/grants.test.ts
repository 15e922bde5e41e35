import { describe, expect, test } from 'vitest';
import {
  lackingPrivileges,
  readGrants,
} from '../../../src/target/mysql/grants.ts';

describe('grants', () => {
  test('on everything, a pattern of databases, tables and columns are told apart', () => {
    const grants = readGrants(
      [
        "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*X'",
        'GRANT SELECT, CREATE TEMPORARY TABLES ON `shop\\_%`.* TO `u`@`%`',
        'GRANT INSERT (`id`, `a`), UPDATE ON `shop_1`.`it``em` TO `u`@`%`',
        'GRANT DELETE ON `shopX1`.* TO `u`@`%`',
      ],
      'shop_1',
    )!;
    const wanted = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
    expect(lackingPrivileges(grants, 'it`em', wanted)).toEqual([
      'INSERT',
      'DELETE',
    ]);
    expect(lackingPrivileges(grants, 'other', wanted)).toEqual([
      'INSERT',
      'UPDATE',
      'DELETE',
    ]);
    expect(
      lackingPrivileges(grants, null, ['CREATE TEMPORARY TABLES', 'CREATE']),
    ).toEqual(['CREATE']);
  });

  test('all privileges are every privilege', () => {
    const grants = readGrants(
      ['GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%` WITH GRANT OPTION'],
      'shop',
    )!;
    expect(lackingPrivileges(grants, 'x', ['SELECT', 'DELETE'])).toEqual([]);
  });

  test('that come from a role are not known', () => {
    expect(
      readGrants(
        ['GRANT USAGE ON *.* TO `u`@`%`', 'GRANT `writer`@`%` TO `u`@`%`'],
        'shop',
      ),
    ).toBeNull();
  });
});
