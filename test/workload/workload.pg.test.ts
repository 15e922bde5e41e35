import { expect, test } from 'vitest';

import { createCertificates } from '../../src/lib/certificates.ts';
import { reportLines } from '../../src/workload/report-text.ts';
import {
  runWorkload,
  type WorkloadProgress,
  type WorkloadReport,
} from '../../src/workload/workload.ts';
import { testDatabase } from '../support/test-database.ts';
import { directSink, type DirectSinkOptions } from './direct-sink.ts';
import { endedWhen } from './ended-when.ts';
import { smallWorkload } from './options.ts';
import type { SinkRow } from './sink-database.ts';

const ignore = (): void => {};

/** Runs against a sink that damages, until the damage is seen. */
async function runAgainst(
  sinkOptions: DirectSinkOptions,
): Promise<WorkloadReport> {
  await using db = await testDatabase();
  await using sink = await directSink(db.url, sinkOptions);
  return await runWorkload(
    smallWorkload(sink.url, db.url),
    ignore,
    AbortSignal.timeout(20_000),
  );
}

/** The two arguments that end a run behind so many rows. */
function whenWritten(
  rowCount: number,
): [(progress: WorkloadProgress) => void, AbortSignal] {
  const { onProgress, signal } = endedWhen(
    ({ committedRows }) => committedRows >= rowCount,
  );
  return [onProgress, signal];
}

test('a sink that applies whole transactions is found equal, while running and at the end', async () => {
  await using db = await testDatabase();
  await using sink = await directSink(db.url);
  const { onProgress, signal } = endedWhen(
    ({ replays, looks, sentRows, committedRows }) =>
      replays > 0 && looks > 5 && sentRows > committedRows,
  );
  const report = await runWorkload(
    smallWorkload(sink.url, db.url, { diff: true, gzip: true }),
    onProgress,
    signal,
  );
  expect(report).toMatchObject({ verified: true, violation: null });
  const { progress, comparison } = report;
  expect(progress.appliedTransactions).toBe(progress.transactions);
  expect(progress.sentRows).toBeGreaterThan(progress.committedRows);
  expect(progress.replays).toBeGreaterThan(0);
  expect(progress.looks).toBeGreaterThan(5);
  const { rows } = await db.query(
    `select (select count(*) from workload_customer) + (select count(*) from workload_order)
       + (select count(*) from workload_line) + (select count(*) from workload_sample)
       + (select count(*) from workload_ledger) as total`,
  );
  expect(Number(rows[0]!['total'])).toBe(comparison!.rowCount);
  expect(reportLines(report)).toEqual([
    `verified: ${comparison!.rowCount} rows in 5 tables are equal`,
  ]);
});

test('an immediate sink is found equal at the end, over TLS with the certificates from the URL', async () => {
  const { ca, server, client } = await createCertificates({
    hosts: ['127.0.0.1'],
    days: 1,
  });
  await using db = await testDatabase();
  await using sink = await directSink(db.url, {
    immediate: true,
    tls: {
      ...server,
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: true,
    },
  });
  const url = new URL(sink.url);
  url.searchParams.set('ca_cert', Buffer.from(ca.cert).toString('base64'));
  url.searchParams.set(
    'client_cert',
    Buffer.from(client.cert).toString('base64'),
  );
  url.searchParams.set(
    'client_key',
    Buffer.from(client.key).toString('base64'),
  );
  const report = await runWorkload(
    smallWorkload(url.href, db.url, {
      mode: 'immediate',
      failFast: true,
      requestTimeoutMs: 60_000,
    }),
    ...whenWritten(300),
  );
  expect(report.verified).toBe(true);
});

test('half a transaction visible at the target is a violation at once', async () => {
  let count = 0;
  const report = await runAgainst({
    // Now and then all but the ledger's row of the last transaction is kept back.
    damage: (rows) => {
      count += 1;
      const last = rows.at(-1);
      return count > 1 && last
        ? rows.filter(
            (row) =>
              row.updated !== last.updated || row.topic === 'workload_ledger',
          )
        : rows;
    },
  });
  expect(report.verified).toBe(false);
  expect(report.violation?.reason).toMatch(
    /rows are not those the source had right after it/,
  );
  expect(report.comparison?.differenceCount).toBeGreaterThan(0);
});

test('a transaction missing from the ledger is a hole', async () => {
  const report = await runAgainst({
    // With all its rows: a look before the next transaction finds nothing odd.
    damage: (rows) => {
      const lost = rows.find(
        (row) => row.topic === 'workload_ledger' && row.key === '[20]',
      );
      return rows.filter(({ updated }) => updated !== lost?.updated);
    },
  });
  expect(report.verified).toBe(false);
  expect(report.violation?.reason).toMatch(/a hole/);
});

test('an older version that overwrites a newer one is a violation', async () => {
  const first = new Map<string, SinkRow>();
  const report = await runAgainst({
    // The first version of a row comes back behind each newer one, however
    // few transactions a slow machine brings within one apply.
    damage: (rows) => {
      const older = rows.flatMap((row) => {
        const known = first.get(row.key) ?? row;
        if (row.topic === 'workload_sample') {
          first.set(row.key, known);
        }
        return known.updated < row.updated ? [known] : [];
      });
      return [...rows, ...older];
    },
  });
  expect(report.verified).toBe(false);
  expect(report.violation?.comparison?.differences[0]?.table).toBe(
    'workload_sample',
  );
});

test.for([
  [
    'a missing row',
    `delete from workload_sample where id = (select min(id) from workload_sample where id like 'sample%')`,
    'workload_sample',
  ],
  [
    'an extra row',
    `insert into workload_customer (id, name, email) values (-1, '', '')`,
    'workload_customer',
  ],
  [
    'a value that differs in its scale',
    `update workload_sample set exact = exact * 1.00 where id = (select min(id) from workload_sample where id like 'sample%' and exact is not null)`,
    'workload_sample',
  ],
  [
    'a row damaged long ago in the ledger',
    `update workload_ledger set row_count = -1 where entry = 1`,
    'workload_ledger',
  ],
] as const)(
  '%s is named with its table, key and both rows, and no count is invented',
  async ([, damageStatement, table]) => {
    await using db = await testDatabase();
    await using sink = await directSink(db.url, { damageStatement });
    const report = await runWorkload(
      smallWorkload(sink.url, db.url, {
        // The rows that were damaged may be written again: not so soon.
        tableRows: 5000,
        replayIntervalMs: 0,
        // Nobody looks meanwhile: the comparison at the end must find it.
        lookIntervalMs: 5000,
      }),
      ignore,
      AbortSignal.any([AbortSignal.timeout(20_000), sink.damaged]),
    );
    expect(report.verified).toBe(false);
    expect(report.comparison).toMatchObject({ differenceCount: 1 });
    expect(report.comparison!.differences[0]!.table).toBe(table);
    expect(reportLines(report).join('\n')).toContain(
      `${table} ${report.comparison!.differences[0]!.key}`,
    );
  },
);

test('refused requests are sent again until accepted, and the feed starts again from its last resolved', async () => {
  await using db = await testDatabase();
  let requestCount = 0;
  await using sink = await directSink(db.url, {
    refuse: () => {
      requestCount += 1;
      // Long enough that three tries of one request fail; not for ever, or a
      // slow machine's backlog outgrows what one good spell can deliver.
      return requestCount < 240 && requestCount % 60 < 40 ? 503 : null;
    },
  });
  const { onProgress, signal } = endedWhen(({ restarts }) => restarts > 0);
  const report = await runWorkload(
    smallWorkload(sink.url, db.url, { rowsPerSecond: 200 }),
    onProgress,
    signal,
  );
  expect(report.verified).toBe(true);
  expect(report.progress.failedRequests).toBeGreaterThan(0);
  expect(report.progress.restarts).toBeGreaterThan(0);
});

test('with failFast the first refusal ends the run and its text is shown', async () => {
  await using db = await testDatabase();
  await using sink = await directSink(db.url, { refuse: () => 418 });
  const run = runWorkload(
    smallWorkload(sink.url, db.url, { failFast: true }),
    ignore,
    AbortSignal.timeout(5000),
  );
  await expect(run).rejects.toMatchObject({
    code: 'E5011',
    message: '418 refused by the test',
  });
});

test('a target that stays empty ends in a difference, not in waiting for ever', async () => {
  await using db = await testDatabase();
  await using sink = await directSink(db.url, { damage: () => [] });
  const report = await runWorkload(
    smallWorkload(sink.url, db.url, { catchUpTimeoutMs: 1000 }),
    ...whenWritten(100),
  );
  expect(report.verified).toBe(false);
  expect(report.progress.appliedTransactions).toBe(0);
  expect(reportLines(report).at(-1)).toMatch(
    /has applied 0 of \d+ transactions, \d+ are missing$/,
  );
});

test('a target that cannot be reached is told at once', async () => {
  const run = runWorkload(
    smallWorkload(
      'http://127.0.0.1:1/shop/public',
      'postgresql://u@127.0.0.1:1/shop?sslmode=disable',
    ),
    ignore,
    new AbortController().signal,
  );
  await expect(run).rejects.toMatchObject({
    code: 'E4001',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('who asks for the end while the target catches up does not wait for it', async () => {
  await using db = await testDatabase();
  await using sink = await directSink(db.url, { refuse: () => 503 });
  const cut = new AbortController();
  const [onProgress, signal] = whenWritten(100);
  const run = runWorkload(
    smallWorkload(sink.url, db.url, { catchUpTimeoutMs: 600_000 }),
    (progress) => {
      onProgress(progress);
      if (progress.phase === 'catching up') {
        cut.abort();
      }
    },
    signal,
    cut.signal,
  );
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
});
