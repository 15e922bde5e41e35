import { expect, test } from 'vitest';
import { grantLine } from '../../../../src/failure/privilege.ts';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import { privilegesOf } from '../../../../src/target/oracle/preflight/privileges.ts';
import { quoteIdentifier } from '../../../../src/target/oracle/statements/statements.ts';
import type { GrantPlan } from '../../../../src/target/privileges.ts';

const plan: GrantPlan = {
  schemas: [schemaName(['shop'])],
  grantee: '',
  dlqTableName: 'replicator_dlq',
  setsAside: true,
  takesTruncate: false,
};

function table(name: string, more: object = {}) {
  return {
    owner: 'SHOP',
    table_name: name,
    may_select: 'Y',
    may_insert: 'Y',
    may_update: 'Y',
    may_delete: 'Y',
    may_create: 'N',
    ...more,
  };
}

test('the grants of an Oracle target are exact, quoted and each with its reason', () => {
  const privileges = privilegesOf(
    { name: 'APP', seesSessions: false },
    [
      table("o'rder; --"),
      table('ITEM', { may_delete: 'N' }),
      table('REPLICATOR_CHECKPOINT', { may_update: 'N' }),
      table('ELSEWHERE', { owner: 'OTHER' }),
    ],
    plan,
  );
  expect(privileges.map(grantLine)).toEqual([
    'GRANT CREATE SESSION TO "APP"; -- sessions',
    `GRANT SELECT, INSERT, UPDATE, DELETE ON "SHOP"."o'rder; --" TO "APP"; -- rows are looked up, written and deleted`,
    'GRANT SELECT, INSERT, UPDATE, DELETE ON "SHOP"."ITEM" TO "APP"; -- rows are looked up, written and deleted',
    'GRANT SELECT, INSERT, UPDATE ON "SHOP"."REPLICATOR_CHECKPOINT" TO "APP"; -- the watermark: exactly once, and a second daemon is fenced off',
    '-- "SHOP"."REPLICATOR_DLQ" is not there: as the owner: replicator target prepare --targetSchema …, and print the grants again',
    'GRANT SELECT ON SYS.V_$SESSION TO "APP"; -- shows who waits for a lock',
  ]);
  expect(
    privileges.filter(({ isHeld }) => !isHeld).map(({ lack }) => lack),
  ).toEqual([
    'the account lacks DELETE on "SHOP"."ITEM"',
    'the account lacks UPDATE on "SHOP"."REPLICATOR_CHECKPOINT"',
    'the account may not create REPLICATOR_DLQ in /SHOP: no row can be set aside (E4019)',
    expect.stringContaining('may not read V$SESSION'),
  ]);
});

test('an owner is granted nothing on tables of its own, and may make those of ours', () => {
  const privileges = privilegesOf(
    { name: 'SHOP', seesSessions: true },
    [table('ITEM', { may_create: 'Y' })],
    { ...plan, setsAside: false },
  );
  expect(privileges.map(grantLine)).toEqual([
    'GRANT CREATE SESSION TO "SHOP"; -- sessions',
    `-- "SHOP"."ITEM" is the account's own`,
    'GRANT CREATE TABLE TO "SHOP"; -- the daemon makes REPLICATOR_CHECKPOINT; or, as the owner: replicator target prepare --targetSchema …, and print the grants again',
    'GRANT SELECT ON SYS.V_$SESSION TO "SHOP"; -- shows who waits for a lock',
  ]);
  expect(privileges.every(({ isHeld }) => isHeld)).toBe(true);
});

test('a name that Oracle cannot have is refused instead of quoted', () => {
  expect(() => quoteIdentifier('a"; drop table x; --')).toThrow(
    expect.objectContaining({ code: 'E4008' }),
  );
  expect(() => quoteIdentifier('a\0b')).toThrow(
    expect.objectContaining({ code: 'E4008' }),
  );
  for (const name of ["'", ';--', '/*', ':1', '$1', 'a\nb', 'Ö', '\u{1f600}']) {
    expect(quoteIdentifier(name)).toBe(`"${name}"`);
  }
});
