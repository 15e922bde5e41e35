import type { StartedTestContainer } from 'testcontainers';
import type * as Testcontainers from 'testcontainers';

export interface GivenServerOptions {
  /** Names an address: `TEST_ORACLE_URL`. */
  readonly variable: string;
  /** For the message. */
  readonly product: string;
  readonly start: (
    containers: typeof Testcontainers,
  ) => Promise<StartedTestContainer>;
  readonly urlOf: (container: StartedTestContainer) => string;
}

/**
 * The address of a server that only some machines have: the one that the
 * variable names, else that of a container where a Docker engine answers. Null
 * where neither is to be had; with REQUIRE_ALL_TARGETS=1 that rejects.
 */
export async function givenServerUrl(
  { variable, product, start, urlOf }: GivenServerOptions,
  stack: AsyncDisposableStack,
): Promise<string | null> {
  const given = process.env[variable];
  if (given !== undefined && given !== '') {
    return given;
  }
  const containers = await import('testcontainers');
  try {
    await containers.getContainerRuntimeClient();
  } catch {
    if (process.env['REQUIRE_ALL_TARGETS'] === '1') {
      throw new Error(
        `REQUIRE_ALL_TARGETS=1, and there is no ${product}: set ${variable} or start a Docker engine`,
      );
    }
    return null;
  }
  const container = await start(containers);
  stack.defer(async () => {
    await container.stop();
  });
  return urlOf(container);
}
