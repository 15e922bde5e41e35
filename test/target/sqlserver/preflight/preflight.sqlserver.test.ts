import { describe, expect, test } from 'vitest';
import {
  defaultTargetOptions,
  targetFindings,
} from '../../../../src/target/open-target.ts';
import { hasServer, isBabelfish, sqlserverFixture } from '../fixture.ts';

const never = new AbortController().signal;

async function findingsAt(url: string) {
  return await targetFindings(
    {
      url,
      applyTimeoutMs: 30_000,
      parallelism: 4,
      maxPoolSize: 8,
      stagingSchema: null,
      oracleEmptyString: defaultTargetOptions.oracleEmptyString,
      grants: {
        schemas: [],
        grantee: '',
        dlqTableName: 'replicator_dlq',
        setsAside: false,
        takesTruncate: false,
      },
    },
    never,
  );
}

describe.skipIf(!hasServer)('preflight at SQL Server', () => {
  test('tells which tables are there, and what is not prepared, with the statement for each', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table parent (id int identity(1,1) primary key, n int, constraint positive check (n > 0))',
    );
    await fixture.sql(
      'create table child (id int primary key, parent int, constraint of_parent foreign key (parent) references parent (id) on delete cascade)',
    );
    await fixture.sql('create table heap (id int)');
    await fixture.sql(
      'create trigger watch on parent after insert as begin declare @n int; end',
    );
    const findings = await findingsAt(fixture.url);
    const remedies = findings.map(({ remedy }) => remedy);
    expect(findings[1 + Number(isBabelfish)]).toBeDefined();
    expect(findings.map(({ text }) => text)).toContain(
      `3 tables in 1 schema; webhook paths: /${fixture.database.name}/dbo`,
    );
    expect(findings.map(({ text }) => text)).toContain(
      'dbo.heap has no primary key, so what a changefeed brings of it would be refused',
    );
    expect(remedies).toContain(
      [
        'ALTER TABLE [dbo].[child] DROP CONSTRAINT [of_parent];',
        'ALTER TABLE [dbo].[child] WITH NOCHECK ADD CONSTRAINT [of_parent]',
        '  FOREIGN KEY ([parent]) REFERENCES [dbo].[parent] ([id])',
        '  ON DELETE CASCADE ON UPDATE NO ACTION NOT FOR REPLICATION;',
      ].join('\n'),
    );
    expect(remedies).toContain(
      'ALTER TABLE [dbo].[parent] ALTER COLUMN [id] ADD NOT FOR REPLICATION;',
    );
    expect(remedies).toContain(
      'ALTER TABLE [dbo].[heap] SET (LOCK_ESCALATION = DISABLE);',
    );
    expect(remedies).toContain(
      'ALTER TRIGGER watch on parent after insert\nNOT FOR REPLICATION\nAS begin declare @n int; end',
    );
    expect(
      remedies.filter((remedy) =>
        /^ALTER TABLE \[dbo\]\.\[parent\] DROP CONSTRAINT \[positive\];\n.*\n {2}CHECK NOT FOR REPLICATION \(/.test(
          remedy ?? '',
        ),
      ),
    ).toHaveLength(1);
    expect(
      findings.filter(({ level }) => level === 'error').map(({ text }) => text),
    ).toEqual(isBabelfish ? ['SQL Server 12.0.2000.8 has no OPENJSON'] : []);
  });

  test('refuses a key whose collation holds different texts to be equal', async () => {
    await using fixture = await sqlserverFixture();
    const collation = isBabelfish ? '' : 'collate Latin1_General_CI_AS';
    await fixture.sql(
      `create table item (code nvarchar(20) ${collation} primary key)`,
    );
    await fixture.sql(
      'create table exact (code nvarchar(20) collate latin1_general_bin2 primary key)',
    );
    expect(
      (await findingsAt(fixture.url)).filter(
        ({ level, text }) => level === 'error' && text.includes('collation'),
      ),
    ).toMatchObject([
      { text: expect.stringMatching(/^the key column code of dbo\.item /) },
    ]);
  });

  test('tells when the address does not log in as a replication agent', async () => {
    await using fixture = await sqlserverFixture();
    const url = new URL(fixture.url);
    url.searchParams.set('replication', 'false');
    expect((await findingsAt(url.href)).map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^replication=false/),
    );
  });
});
