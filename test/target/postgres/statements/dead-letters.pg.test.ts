import { expect, test } from 'vitest';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import {
  failureOf,
  row,
  rowsOf,
  shapeOf,
} from '../../../contract/target-fixture.ts';
import { postgresFixture } from '../fixture.ts';

test('what waits for the commit is checked when it is asked for, as the commit would', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(
    'create table parent (id int8 primary key); create table child (id int8 primary key, parent int8 references parent deferrable, n int8 unique deferrable initially deferred)',
  );
  const { tables } = await shapeOf(fixture);
  const child = tables.get('child')!;
  {
    await using trial = await fixture.target.begin();
    await trial.upsert(rowsOf(child, [{ id: '1', parent: '7' }]));
    const failure = await failureOf(trial.checkConstraints());
    expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
    // As after any failure, nothing more is taken.
    expect(await failureOf(trial.commit(null))).toBe(failure);
  }
  {
    await using trial = await fixture.target.begin();
    await trial.insert(
      rowsOf(child, [
        { id: '1', n: '5' },
        { id: '2', n: '5' },
      ]),
    );
    expect((await failureOf(trial.checkConstraints())).code).toBe('E4013');
  }
  {
    await using trial = await fixture.target.begin();
    await trial.upsert(rowsOf(child, [{ id: '1', parent: '7' }]));
    await trial.upsert(rowsOf(tables.get('parent')!, [{ id: '7' }]));
    await trial.checkConstraints();
  }
  // All three were trials.
  expect(await fixture.rows('select id from child')).toEqual([]);
  expect(await fixture.rows('select id from parent')).toEqual([]);
  {
    await using transaction = await fixture.target.begin();
    await transaction.upsert(rowsOf(child, [{ id: '1', parent: '7' }]));
    await transaction.upsert(rowsOf(tables.get('parent')!, [{ id: '7' }]));
    await transaction.checkConstraints();
    await transaction.commit(null);
  }
  // The next transaction on the connection defers again.
  await using next = await fixture.target.begin();
  await next.upsert(rowsOf(child, [{ id: '2', parent: '8' }]));
  expect((await failureOf(next.checkConstraints())).code).toBe('E4004');
});

test('an account that may not create the table hears the statement to run', async () => {
  await using fixture = await postgresFixture();
  const role = `dead_${fixture.database.name}`;
  await fixture.sql(`create role ${role} login password 'secret'`);
  try {
    const url = new URL(fixture.url);
    url.username = role;
    url.password = 'secret';
    {
      await using target = await openTarget({
        ...defaultTargetOptions,
        url: url.href,
      });
      await fixture.sql('revoke create on schema public from public');
      const letters = target.deadLetters(fixture.schema, 'replicator_dlq');
      const failure = await failureOf(letters.prepare());
      expect(failure.code).toBe('E4019');
      await fixture.sql(failure.remedy.slice(failure.remedy.indexOf('\n')));
      await fixture.sql(
        `grant select, insert, update, delete on replicator_dlq to ${role}`,
      );
      // No privilege on a sequence is needed.
      await letters.prepare();
      await using transaction = await target.begin();
      await transaction.deadLetters(fixture.schema, 'replicator_dlq').add([
        {
          table: 'item',
          keyColumns: ['id'],
          mutation: row(1, [1], null),
          code: 'E4006',
          cause: 'too long',
        },
      ]);
      await transaction.commit(null);
      expect(await letters.count({})).toBe(1);
    }
  } finally {
    await fixture.sql(`drop owned by ${role}; drop role ${role}`);
  }
});

test('rows of the dead-letter table that are JSON to the server are refused', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(
    'create table replicator_dlq (event serial primary key, dlq_name text not null, source_nanos int8 not null, source_logical int8 not null, data_after jsonb, data_before jsonb)',
  );
  const failure = await failureOf(
    fixture.target.deadLetters(fixture.schema, 'replicator_dlq').prepare(),
  );
  expect(failure.code).toBe('E4019');
  expect(failure.message).toContain(
    'data_after, data_before missing or of another type',
  );
});
