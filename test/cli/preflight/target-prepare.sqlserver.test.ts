import { describe, expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import {
  hasServer,
  isBabelfish,
  sqlserverFixture,
} from '../../target/sqlserver/fixture.ts';

describe.skipIf(!hasServer)('target prepare at SQL Server', () => {
  test('shows the statements and changes nothing with --dry-run, or where nobody can be asked', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql('create table item (id int primary key)');
    const dry = await runCommandLine([
      'target',
      'prepare',
      `--targetConn=${fixture.url}`,
      '--dry-run',
    ]);
    expect(dry.stderr).toBe('');
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toContain(
      '-- lock escalation of dbo.item\nALTER TABLE [dbo].[item] SET (LOCK_ESCALATION = DISABLE);\nGO\n',
    );
    const unasked = await runCommandLine([
      'target',
      'prepare',
      `--targetConn=${fixture.url}`,
    ]);
    expect(unasked.exitCode).toBe(1);
    expect(unasked.stderr).toContain('E5007');
    const again = await runCommandLine([
      'target',
      'prepare',
      `--targetConn=${fixture.url}`,
      '--dry-run',
    ]);
    expect(again.stdout).toBe(dry.stdout);
  });

  test.skipIf(isBabelfish)(
    'prepares triggers, keys, checks and identity, and then finds nothing to do',
    async () => {
      await using fixture = await sqlserverFixture();
      await fixture.sql(
        'create table parent (id int identity(1,1) primary key, n int, constraint positive check (n > 0))',
      );
      await fixture.sql(
        'create table child (id int primary key, parent int, constraint of_parent foreign key (parent) references parent (id) on delete cascade)',
      );
      await fixture.sql(
        'create trigger watch on parent after insert as begin declare @n int; end',
      );
      const done = await runCommandLine([
        'target',
        'prepare',
        `--targetConn=${fixture.url}`,
        '--yes',
      ]);
      expect(done.stderr).toBe('');
      expect(done.exitCode).toBe(0);
      expect(done.stdout).toContain('the target is prepared');
      const again = await runCommandLine([
        'target',
        'prepare',
        `--targetConn=${fixture.url}`,
        '--dry-run',
      ]);
      expect(again.stdout).toMatch(/^nothing to prepare/);
    },
  );

  test.runIf(isBabelfish)(
    'a step that fails leaves its object as it was, and says why',
    async () => {
      await using fixture = await sqlserverFixture();
      await fixture.sql(
        'create table parent (id int primary key, n int, constraint positive check (n > 0))',
      );
      // Babelfish refuses WITH NOCHECK, behind the DROP CONSTRAINT.
      const failed = await runCommandLine([
        'target',
        'prepare',
        `--targetConn=${fixture.url}`,
        '--yes',
      ]);
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toMatch(/^replicator: E4\d{3}/);
      expect(
        await fixture.rows(
          `select name from sys.check_constraints where name = 'positive'`,
        ),
      ).toEqual([['positive']]);
    },
  );
});
