import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { startDaemon } from '../support/daemon.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';

const program = fileURLToPath(new URL('../../bin/replicator', import.meta.url));

async function workloadRun(
  args: readonly string[],
): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn(program, ['workload', 'run', ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output };
}

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test.for([
    ['consistent', []],
    ['immediate', ['--immediate']],
  ] as const)(
    'replicator workload finds every row equal in %s mode',
    async ([mode, flags]) => {
      await using db = await testMysqlDatabase(product);
      await using daemon = await startDaemon({
        args: ['--disableAuthentication', `--targetConn=${db.url}`, ...flags],
      });
      const { exitCode, output } = await workloadRun([
        `--url=${daemon.url}/${db.name}`,
        `--targetConn=${db.url}`,
        `--mode=${mode}`,
        '--createTables',
        '--rate=500',
        '--seconds=1',
        '--tableRows=300',
        '--replayInterval=500ms',
      ]);
      expect(output).toMatch(/\nverified: \d+ rows in 5 tables are equal\n$/);
      expect(exitCode).toBe(0);
    },
  );

  test('replicator workload shows the address that it needs when the path names no database', async () => {
    await using db = await testMysqlDatabase(product);
    const { exitCode, output } = await workloadRun([
      '--url=http://127.0.0.1:1/',
      `--targetConn=${db.url}`,
    ]);
    expect(output).toMatch(
      /E5002 --url ends in \/, which names no database: write https:\/\/host:port\/database\n$/,
    );
    expect(exitCode).not.toBe(0);
  });
});
