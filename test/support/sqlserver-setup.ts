import type { TestProject } from 'vitest/node';
import { type GivenServerOptions, givenServerUrl } from './given-server.ts';
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
  const url = await givenServerUrl(server, stack);
  if (url === null) {
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

const server: GivenServerOptions = {
  variable: 'TEST_SQLSERVER_URL',
  product: 'SQL Server',
  start: ({ GenericContainer, Wait }) =>
    new GenericContainer(image)
      .withEnvironment({ ACCEPT_EULA: 'Y', MSSQL_SA_PASSWORD: password })
      .withExposedPorts(1433)
      .withWaitStrategy(
        Wait.forLogMessage(/SQL Server is now ready for client connections/),
      )
      .withStartupTimeout(300_000)
      .start(),
  urlOf: (container) =>
    `sqlserver://sa:${password}@${container.getHost()}:${container.getMappedPort(1433)}/master`,
};
