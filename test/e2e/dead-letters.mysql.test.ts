import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { Arena, until } from './arena.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../bin/replicator', import.meta.url));

/** A check would look at the rows that are there already. */
const refusal = (event: string): string => `
  create trigger no_three_${event} before ${event} on workload_customer for each row
  begin
    if new.id % 10 = 3 then signal sqlstate '45000' set message_text = 'no three'; end if;
  end`;

test.for(MYSQL_PRODUCTS)(
  'rows that %s refuses are set aside under load and a kill, and all is there once they are retried',
  async (product) => {
    await using target = await testMysqlDatabase(product);
    await using arena = await Arena.open({
      targetUrl: target.url,
      args: ['--onRowError=deadLetter'],
    });
    await arena.start();
    const workload = arena.workload({
      mode: 'immediate',
      rowsPerSecond: 100,
      catchUpTimeoutMs: 90_000,
    });
    await until('the workload writes', async () => {
      const tables = await target.query(`show tables like 'workload_customer'`);
      return tables.length === 1;
    });
    await sleep(1_000);
    await target.query(refusal('insert'));
    await target.query(refusal('update'));
    const openCount = async (): Promise<number> => {
      const found = await target.query(`show tables like 'replicator_dlq'`);
      const [row] =
        found.length === 0
          ? []
          : await target.query(
              'select count(*) from replicator_dlq where superseded_at is null',
            );
      return Number(row?.[0] ?? 0);
    };
    const areOpen = async (): Promise<boolean> => (await openCount()) > 2;
    await until('rows are set aside', areOpen, 60_000);
    await arena.kill();
    await arena.start();
    await until('rows are set aside', areOpen, 60_000);
    await target.query('drop trigger no_three_insert');
    await target.query('drop trigger no_three_update');
    await until(
      'no letter is open',
      async () => {
        // What waits for a row that is retried behind it goes the next time.
        await run(program, [
          'dlq',
          'retry',
          `--targetConn=${target.url}`,
        ]).catch(() => {});
        return (await openCount()) === 0;
      },
      60_000,
    );
    const report = await arena.settle(workload);
    expect(report.progress.transactions).toBeGreaterThan(10);
  },
);
