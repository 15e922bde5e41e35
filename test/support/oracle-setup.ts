import type { TestProject } from 'vitest/node';
import { type GivenServerOptions, givenServerUrl } from './given-server.ts';
import { openOracleSession } from './oracle-session.ts';
import './oracle-test-schema.ts';

/**
 * The Oracle server for all tests of the project `oracle`: the one that
 * TEST_ORACLE_URL names (of an account that may create users, as SYSTEM may),
 * else a container where a Docker engine answers. Where neither is to be had
 * the tests are left out, and missing-server-reporter.ts says so; with
 * REQUIRE_ALL_TARGETS=1 the run fails instead.
 */
export async function setup(
  project: TestProject,
): Promise<() => Promise<void>> {
  await using stack = new AsyncDisposableStack();
  const url = await givenServerUrl(server, stack);
  if (url === null) {
    project.provide('oracleUrl', '');
    return async () => {};
  }
  await using session = await openOracleSession(url);
  await session.query('select 1 from dual');
  project.provide('oracleUrl', url);
  const servers = stack.move();
  return async () => await servers[Symbol.asyncDispose]();
}

const image = 'gvenzl/oracle-free:23-slim';
const password = 'Replicator_12345';

const server: GivenServerOptions = {
  variable: 'TEST_ORACLE_URL',
  product: 'Oracle',
  start: ({ GenericContainer, Wait }) =>
    new GenericContainer(image)
      .withEnvironment({ ORACLE_PASSWORD: password })
      .withExposedPorts(1521)
      .withWaitStrategy(Wait.forLogMessage(/DATABASE IS READY TO USE/))
      .withStartupTimeout(600_000)
      .start(),
  urlOf: (container) =>
    `oracle://system:${password}@${container.getHost()}:${container.getMappedPort(1521)}/FREEPDB1`,
};
