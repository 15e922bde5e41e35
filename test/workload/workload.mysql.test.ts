import { describe, expect, test } from 'vitest';

import { reportLines } from '../../src/workload/report-text.ts';
import {
  runWorkload,
  type WorkloadOptions,
  type WorkloadProgress,
  type WorkloadReport,
} from '../../src/workload/workload.ts';
import {
  MYSQL_PRODUCTS,
  type MysqlTestDatabase,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { directSink, type DirectSinkOptions } from './direct-sink.ts';
import { endedWhen } from './ended-when.ts';
import { smallWorkload } from './options.ts';

/**
 * What the sink writes row by row on a slow machine too: of a backlog one apply
 * would last as long as the whole run.
 */
const unhurried = 200;

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  async function runAgainst(
    sinkOptions: DirectSinkOptions,
    changes: Partial<WorkloadOptions> = {},
    isSeen: (progress: WorkloadProgress) => boolean = () => false,
    look: (db: MysqlTestDatabase) => Promise<void> = async () => {},
  ): Promise<WorkloadReport> {
    const { onProgress, signal } = endedWhen(isSeen);
    await using db = await testMysqlDatabase(product);
    await using sink = await directSink(db.url, sinkOptions);
    const report = await runWorkload(
      smallWorkload(sink.url, db.url, {
        targetSchema: db.name,
        ...changes,
      }),
      onProgress,
      AbortSignal.any([signal, sink.damaged]),
    );
    await look(db);
    return report;
  }

  test('a sink that applies whole transactions is found equal, while running and at the end', async () => {
    let total = 0;
    const report = await runAgainst(
      {},
      { diff: true, rowsPerSecond: unhurried },
      ({ replays, looks }) => replays > 0 && looks > 5,
      async (db) => {
        const counts = await db.query(
          `select (select count(*) from workload_customer) + (select count(*) from workload_order)
             + (select count(*) from workload_line) + (select count(*) from workload_sample)
             + (select count(*) from workload_ledger)`,
        );
        total = Number(counts[0]![0]);
      },
    );
    expect(reportLines(report)).toEqual([
      `verified: ${total} rows in 5 tables are equal`,
    ]);
    expect(report).toMatchObject({ verified: true, violation: null });
    expect(report.progress.looks).toBeGreaterThan(5);
    expect(report.progress.replays).toBeGreaterThan(0);
  });

  test('half a transaction visible at the target is a violation at once', async () => {
    let count = 0;
    const report = await runAgainst(
      {
        damage: (rows) => {
          count += 1;
          const last = rows.at(-1);
          return count > 1 && last
            ? rows.filter(
                (row) =>
                  row.updated !== last.updated ||
                  row.topic === 'workload_ledger',
              )
            : rows;
        },
      },
      { rowsPerSecond: unhurried },
    );
    expect(report.verified).toBe(false);
    expect(report.violation?.reason).toMatch(
      /rows are not those the source had right after it/,
    );
    expect(report.comparison?.differenceCount).toBeGreaterThan(0);
  });

  test('a blank more at the end of a text is a difference', async () => {
    const report = await runAgainst({
      damage: (rows) =>
        rows.map((row) =>
          row.topic === 'workload_customer' && row.after
            ? { ...row, after: { ...row.after, name: `${row.after['name']} ` } }
            : row,
        ),
    });
    expect(report.verified).toBe(false);
    expect(report.comparison?.differences[0]?.table).toBe('workload_customer');
  });

  const ofOneSample = (column: string, value: string): string =>
    `update workload_sample set ${column} = ${value} where id like 'sample%' and ${column} is not null order by id limit 1`;

  test.for([
    [
      'a missing row',
      `delete from workload_sample where id like 'sample%' order by id limit 1`,
      'workload_sample',
    ],
    [
      'an extra row',
      `insert into workload_customer (id, name, email) values (-1, '', '')`,
      'workload_customer',
    ],
    [
      'the last digit of a decimal',
      ofOneSample('exact', 'exact + 0.00000001'),
      'workload_sample',
    ],
    [
      'a microsecond',
      ofOneSample('instant', 'instant + interval 1 microsecond'),
      'workload_sample',
    ],
    [
      'a number inside JSON',
      ofOneSample('document', `json_set(document, '$.a', 0.5)`),
      'workload_sample',
    ],
    [
      'an element of an array',
      ofOneSample('numbers', `json_array(3, 4)`),
      'workload_sample',
    ],
    ['a byte', ofOneSample('raw', `concat(raw, x'00')`), 'workload_sample'],
    [
      'a row damaged long ago in the ledger',
      `update workload_ledger set row_count = -1 where entry = 1`,
      'workload_ledger',
    ],
  ] as const)(
    '%s is named with its table, key and both rows, and no count is invented',
    async ([, damageStatement, table]) => {
      const report = await runAgainst(
        { damageStatement },
        {
          // The rows that were damaged may be written again: not so soon.
          tableRows: 5000,
          replayIntervalMs: 0,
          // Nobody looks meanwhile: the comparison at the end must find it.
          lookIntervalMs: 5000,
        },
      );
      expect(report.verified).toBe(false);
      expect(report.comparison).toMatchObject({ differenceCount: 1 });
      expect(report.comparison!.differences[0]!.table).toBe(table);
      expect(reportLines(report).join('\n')).toContain(
        `${table} ${report.comparison!.differences[0]!.key}`,
      );
    },
  );
});
