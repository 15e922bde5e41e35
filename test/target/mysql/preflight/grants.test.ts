import { describe, expect, test } from 'vitest';
import {
  lackingPrivileges,
  readGrants,
  showGrantsStatement,
} from '../../../../src/target/mysql/preflight/grants.ts';

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
    );
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
    );
    expect(lackingPrivileges(grants, 'x', ['SELECT', 'DELETE'])).toEqual([]);
  });

  test('of a role are those that its name brings into the list', () => {
    expect(showGrantsStatement('`writer`@`%`,`reader`@`%`', false)).toBe(
      'show grants for current_user() using `writer`@`%`,`reader`@`%`',
    );
    expect(showGrantsStatement('NONE', false)).toBe('show grants');
    expect(showGrantsStatement(null, true)).toBe('show grants');
    const grants = readGrants(
      ['GRANT USAGE ON *.* TO `u`@`%`', 'GRANT `writer`@`%` TO `u`@`%`'],
      'shop',
    );
    expect(lackingPrivileges(grants, 'x', ['SELECT'])).toEqual(['SELECT']);
  });

  test('of names with dots, quotes, line breaks and stars are read whole', () => {
    const grants = readGrants(
      [
        'GRANT SELECT (`a)b`, `c`), DELETE ON `sh.op`.`x``.`` ON\n`.`y` TO `u`@`%`',
        'GRANT UPDATE ON `sh.op`.`or.der``s\n` TO `u`@`%`',
        'GRANT INSERT ON `sh.op`.`*` TO `u`@`%`',
        // Of a table the name of the database is no pattern.
        'GRANT INSERT ON `sh_op`.`or.der``s\n` TO `u`@`%`',
      ],
      'sh.op',
    );
    expect([...grants.database]).toEqual([]);
    expect(lackingPrivileges(grants, 'or.der`s\n', ['UPDATE'])).toEqual([]);
    expect(lackingPrivileges(grants, 'or.der`s\n', ['INSERT'])).toEqual([
      'INSERT',
    ]);
  });
});
