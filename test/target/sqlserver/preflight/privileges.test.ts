import { expect, test } from 'vitest';
import { grantLine } from '../../../../src/failure/privilege.ts';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import type { GrantPlan } from '../../../../src/target/privileges.ts';
import { privilegesOf } from '../../../../src/target/sqlserver/preflight/privileges.ts';
import { quoteIdentifier } from '../../../../src/target/sqlserver/catalog/quoting.ts';

const plan: GrantPlan = {
  schemas: [],
  grantee: '',
  dlqTableName: 'replicator_dlq',
  setsAside: true,
  takesTruncate: false,
};

const account = {
  account: 'app]user',
  login_name: 'shop-login',
  database_name: 'shop',
  engine_edition: 3,
  may_create: 0,
  may_view_server: 0,
  may_view_database: 1,
};

function table(name: string, more: object = {}) {
  return {
    schema_name: 'dbo',
    table_name: name,
    has_identity: 0,
    may_select: 1,
    may_insert: 1,
    may_update: 1,
    may_delete: 1,
    may_view_definition: 1,
    may_alter: 0,
    may_alter_schema: 0,
    ...more,
  };
}

test('the grants of a SQL Server target are exact, quoted and each with its reason', () => {
  const privileges = privilegesOf(
    account,
    [
      table(`or]der;-- '"`),
      table('counted', { has_identity: 1 }),
      table('replicator_checkpoint', { may_update: 0 }),
    ],
    plan,
  );
  expect(privileges.map(grantLine)).toEqual([
    `GRANT SELECT, INSERT, UPDATE, DELETE, VIEW DEFINITION ON OBJECT::[dbo].[or]]der;-- '"] TO [app]]user]; -- rows are looked up, written and deleted`,
    'GRANT SELECT, INSERT, UPDATE, DELETE, VIEW DEFINITION, ALTER ON OBJECT::[dbo].[counted] TO [app]]user]; -- rows are looked up, written and deleted; ALTER is for SET IDENTITY_INSERT',
    'GRANT SELECT, INSERT, UPDATE ON OBJECT::[dbo].[replicator_checkpoint] TO [app]]user]; -- the watermark: exactly once, and a second daemon is fenced off',
    '-- dbo.replicator_dlq is not there: as the owner: replicator target prepare --targetSchema …, and print the grants again',
    'USE master; GRANT VIEW SERVER STATE TO [shop-login]; -- shows who waits for a lock; to the login, not the user of the database',
  ]);
  expect(
    privileges.filter(({ isHeld }) => !isHeld).map(({ lack }) => lack),
  ).toEqual([
    'the account lacks ALTER on dbo.counted',
    'the account lacks UPDATE on dbo.replicator_checkpoint',
    'the account may not create replicator_dlq in /shop/dbo: no row can be set aside (E4019)',
    expect.stringContaining('may not see who waits for a lock'),
  ]);
});

test('each right that is missing at SQL Server is named by its own line', () => {
  const rights = ['select', 'insert', 'update', 'delete', 'view_definition'];
  for (const right of rights) {
    const [first] = privilegesOf(
      account,
      [table('item', { [`may_${right}`]: 0 })],
      plan,
    );
    expect(first).toMatchObject({
      isHeld: false,
      lack: `the account lacks ${right.toUpperCase().replace('_', ' ')} on dbo.item`,
    });
  }
});

test('an Azure SQL Database has its own right for locks, and --grantee is who gets it', () => {
  const privileges = privilegesOf({ ...account, engine_edition: 5 }, [], {
    ...plan,
    grantee: 'other',
  });
  expect(privileges.map(grantLine)).toEqual([
    'GRANT VIEW DATABASE STATE TO [other]; -- shows who waits for a lock',
  ]);
  expect(privileges[0]!.isHeld).toBe(true);
});

test('of the schemas of the server only those that are named are printed', () => {
  const privileges = privilegesOf(
    account,
    [table('a'), table('b', { schema_name: 'Sales' })],
    { ...plan, schemas: [schemaName(['shop', 'sales'])], setsAside: false },
  );
  const text = privileges.map(grantLine).join('\n');
  expect(text).toContain('[Sales].[b]');
  expect(text).not.toContain('[dbo]');
});

test('no name of SQL Server leaves its brackets', () => {
  for (const name of [
    ']',
    ']]',
    '];drop table x;--',
    "N'x'",
    'x'.repeat(128),
    ']'.repeat(128),
    '/*',
    '@p0',
    '$1',
    'a\nGO\nb',
    'é\u{1f600}',
  ]) {
    const quoted = quoteIdentifier(name);
    // Inside of the outer pair no bracket closes alone.
    expect(quoted.slice(1, -1).replaceAll(']]', '')).not.toContain(']');
    expect(quoted.slice(1, -1).replaceAll(']]', ']')).toBe(name);
  }
});
