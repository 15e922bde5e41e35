import type { TestProject } from 'vitest/node';
import { openSqlServerSession } from './sqlserver-session.ts';
import './sqlserver-test-database.ts';

/**
 * The SQL Server for all tests of the project `sqlserver`: the one that
 * TEST_SQLSERVER_URL names (of an account that may create databases), else a
 * container where a Docker engine answers. Where neither is to be had the tests
 * are left out, and missing-server-reporter.ts says so; with
 * REQUIRE_ALL_TARGETS=1 the run fails instead.
 */
export async function setup(
  project: TestProject,
): Promise<() => Promise<void>> {
  await using stack = new AsyncDisposableStack();
  const given = process.env['TEST_SQLSERVER_URL'];
  const url =
    given !== undefined && given !== '' ? given : await containerUrl(stack);
  if (url === null) {
    if (process.env['REQUIRE_ALL_TARGETS'] === '1') {
      throw new Error(
        'REQUIRE_ALL_TARGETS=1, and there is no SQL Server: set TEST_SQLSERVER_URL or start a Docker engine',
      );
    }
    project.provide('sqlserverUrl', '');
    project.provide('sqlserverProduct', 'sqlserver');
    return async () => {};
  }
  await using session = await openSqlServerSession(url);
  const [[version]] = (await session.query('select @@version')) as [[string]];
  project.provide('sqlserverUrl', url);
  project.provide(
    'sqlserverProduct',
    version.startsWith('Babelfish') ? 'babelfish' : 'sqlserver',
  );
  const servers = stack.move();
  return async () => await servers[Symbol.asyncDispose]();
}

const image = 'mcr.microsoft.com/mssql/server:2022-latest';
const password = 'Replicator-12345';

async function containerUrl(
  stack: AsyncDisposableStack,
): Promise<string | null> {
  const { GenericContainer, getContainerRuntimeClient, Wait } =
    await import('testcontainers');
  try {
    await getContainerRuntimeClient();
  } catch {
    return null;
  }
  const container = await new GenericContainer(image)
    .withEnvironment({ ACCEPT_EULA: 'Y', MSSQL_SA_PASSWORD: password })
    .withExposedPorts(1433)
    .withWaitStrategy(
      Wait.forLogMessage(/SQL Server is now ready for client connections/),
    )
    .withStartupTimeout(300_000)
    .start();
  stack.defer(async () => {
    await container.stop();
  });
  return `sqlserver://sa:${password}@${container.getHost()}:${container.getMappedPort(1433)}/master`;
}
