import type { TestProject } from 'vitest/node';
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
  const given = process.env['TEST_ORACLE_URL'];
  const url =
    given !== undefined && given !== '' ? given : await containerUrl(stack);
  if (url === null) {
    if (process.env['REQUIRE_ALL_TARGETS'] === '1') {
      throw new Error(
        'REQUIRE_ALL_TARGETS=1, and there is no Oracle: set TEST_ORACLE_URL or start a Docker engine',
      );
    }
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
    .withEnvironment({ ORACLE_PASSWORD: password })
    .withExposedPorts(1521)
    .withWaitStrategy(Wait.forLogMessage(/DATABASE IS READY TO USE/))
    .withStartupTimeout(600_000)
    .start();
  stack.defer(async () => {
    await container.stop();
  });
  return `oracle://system:${password}@${container.getHost()}:${container.getMappedPort(1521)}/FREEPDB1`;
}
