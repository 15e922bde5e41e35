import mysql from 'mysql2/promise';
import type { TestProject } from 'vitest/node';
import type { MysqlProduct } from './mysql-binaries.ts';
import { startMysqlServer } from './mysql-server.ts';
import './mysql-test-database.ts';

/**
 * One server of each product for all tests of the project `mysql`: the one
 * that TEST_MYSQL_URL or TEST_MARIADB_URL names (of a user who may do
 * everything), else Debian's. No server fails the run: tests are never skipped.
 */
export async function setup(
  project: TestProject,
): Promise<() => Promise<void>> {
  await using stack = new AsyncDisposableStack();
  const [mysqlUrl, mariadbUrl] = await Promise.all([
    serverUrl('mysql', process.env['TEST_MYSQL_URL'], stack),
    serverUrl('mariadb', process.env['TEST_MARIADB_URL'], stack),
  ]);
  project.provide('mysqlUrl', mysqlUrl);
  project.provide('mariadbUrl', mariadbUrl);
  const servers = stack.move();
  return async () => await servers[Symbol.asyncDispose]();
}

async function serverUrl(
  product: MysqlProduct,
  given: string | undefined,
  stack: AsyncDisposableStack,
): Promise<string> {
  if (given !== undefined && given !== '') {
    const client = await mysql.createConnection({ uri: given });
    await client.end();
    return given;
  }
  const server = stack.use(await startMysqlServer({ product, fsync: false }));
  return server.url();
}
