import { expect, test } from 'vitest';
import { eventually, openStage, timeOf } from '../support/stage.ts';

test('a column that was widened as the remedy says lets a halted pipeline go on without --schemaRefresh', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v int)',
  );
  await stage.start([
    '--schemaRefresh=0',
    '--maxRetries=1',
    '--quiescentPeriod=300ms',
  ]);
  await stage.rows({
    topic: 't',
    updated: timeOf(1),
    key: [1],
    after: { id: 1, v: 5_000_000_000 },
  });
  await stage.resolve(1);
  await eventually(
    () => stage.health(),
    (text) => text.includes('halted'),
  );
  await stage.database.query('alter table t alter v type bigint');
  const { rows } = await eventually(
    () => stage.database.query('select v from t'),
    (found) => found.rows.length === 1,
  );
  expect(rows).toEqual([{ v: '5000000000' }]);
});
