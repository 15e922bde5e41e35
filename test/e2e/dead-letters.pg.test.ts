import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { schemaName } from '../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import {
  dlqTable,
  lettersOf,
  retryWhatGoes,
} from '../support/dead-letter-hand.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, until } from './arena.ts';

const killCount = 4;

test('rows that a new constraint of the target refuses are set aside under load and kills, and all is there once they are retried', async () => {
  await using database = await testDatabase();
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: database.url,
  });
  const house = { target, schema: schemaName([database.name, 'public']) };
  const writtenCount = (): Promise<number> =>
    target
      .deadLetters(house.schema, dlqTable)
      .count({ includeSuperseded: true });
  await using arena = await Arena.open({
    targetUrl: database.url,
    args: ['--onRowError=deadLetter', '--dlqLimit=0'],
  });
  await arena.start();
  // Which states the target shows is no question while rows are set aside.
  const workload = arena.workload({
    mode: 'immediate',
    rowsPerSecond: 150,
    catchUpTimeoutMs: 90_000,
  });
  await until('the workload writes', async () => {
    const { rows } = await database.query<{ count: string }>(
      `select count(*) from information_schema.tables where table_name = 'workload_customer'`,
    );
    return rows[0]!.count === '1';
  });
  await sleep(1_000);
  // One lock at a time: with both a batch that is under way may be deadlocked.
  await database.query(
    'alter table workload_customer add constraint no_three check (id % 10 <> 3) not valid',
  );
  await database.query(
    'alter table workload_order add constraint no_seven check (number % 10 <> 7) not valid',
  );
  let logs = '';
  for (let kill = 1; kill <= killCount; kill += 1) {
    const before = await writtenCount();
    await until(
      'more rows are set aside',
      async () => (await writtenCount()) >= before + 5,
      60_000,
    );
    await sleep(Math.random() * 500);
    await arena.kill();
    logs += arena.daemon.logs();
    await arena.start();
  }
  const open = await lettersOf(house);
  expect(open.length).toBeGreaterThan(0);
  expect(new Set(open.map(({ code }) => code))).toContain('E4005');
  await until('the health check names what is set aside', async () => {
    const health = await fetch(`${arena.daemon.metricsUrl}/_/healthz`);
    const text = await health.text();
    return health.status === 200 && text.includes('of workload_customer');
  });
  // The log says which rows, and never what they hold.
  expect(logs).toMatch(/a row of workload_\w+ is set aside: E4005/);

  await database.query(
    'alter table workload_customer drop constraint no_three',
  );
  await database.query('alter table workload_order drop constraint no_seven');
  await until(
    'no letter is open',
    async () => (await retryWhatGoes(house)) === 0,
    60_000,
  );
  const report = await arena.settle(workload);
  expect(report.progress.transactions).toBeGreaterThan(10);
});
