/** Connections to a PostgreSQL address, by the ways that its TLS allows. */
import pg from 'pg';
import { mayWorkOtherwise, type PostgresAddress } from './postgres.ts';

/**
 * Calls `dial` with the ways of the address, in their order, until one leads
 * to the server or there is no sense in another.
 */
export async function dialledWays<T>(
  ways: PostgresAddress['attempts'],
  dial: (ssl: PostgresAddress['attempts'][number]) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const way of ways) {
    try {
      return await dial(way);
    } catch (error) {
      // What a server says tells more than that it has no TLS.
      failure =
        failure !== undefined && isAnswer(failure) && !isAnswer(error)
          ? failure
          : error;
      if (!mayWorkOtherwise(error)) {
        break;
      }
    }
  }
  throw failure;
}

/**
 * One connection that its caller keeps, and ends or cuts. Its loss is an
 * `end` event, never an unhandled error. An aborted signal ends the dialling.
 */
export async function dialPostgres(
  address: PostgresAddress,
  overrides: pg.ClientConfig,
  signal?: AbortSignal,
): Promise<pg.Client> {
  return dialledWays(address.attempts, async (ssl) => {
    signal?.throwIfAborted();
    const client = new pg.Client({
      ...address.config,
      keepAlive: true,
      ...overrides,
      ssl,
    });
    client.on('error', () => {});
    const cut = (): void => cutClient(client);
    signal?.addEventListener('abort', cut, { once: true });
    try {
      await client.connect();
      return client;
    } catch (error) {
      cut();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cut);
    }
  });
}

/** Ends a connection without a word to the server. */
export function cutClient(client: pg.Client): void {
  (client as unknown as ClientInternals).connection.stream.destroy();
}

/** The server's name for the session. */
export function clientProcessId(client: pg.Client): number {
  return (client as unknown as ClientInternals).processID;
}

/** What the pg package's client has and its declarations do not say. */
interface ClientInternals {
  readonly processID: number;
  readonly connection: { readonly stream: { destroy(): void } };
}

function isAnswer(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string';
}
