/**
 * A webhook that is no replicator: it keeps what arrives in memory and, at
 * each resolved timestamp, applies the transactions up to it to a database,
 * one statement a row. Slow, simple, and right: the checker is proved on it.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createServer as createTlsServer,
  type ServerOptions,
} from 'node:https';
import { gunzipSync } from 'node:zlib';

import { keepDigits, openSinkDatabase, type SinkRow } from './sink-database.ts';

export interface DirectSink extends AsyncDisposable {
  readonly url: string;
  readonly rowCount: number;
  readonly requestBodies: readonly string[];
  /** Aborts when the `damageStatement` was run. */
  readonly damaged: AbortSignal;
}

export interface DirectSinkOptions {
  /** Answers before anything is looked at: a status to refuse with, or null. */
  readonly refuse?: (body: string) => number | null;
  /** Damages: changes the rows of one apply. */
  readonly damage?: (rows: SinkRow[]) => SinkRow[];
  /** Damages once, by a statement behind the apply that brings the ledger's entry 30. */
  readonly damageStatement?: string;
  /** Apply each request at once, without waiting for resolved. */
  readonly immediate?: boolean;
  readonly tls?: ServerOptions;
}

export async function directSink(
  databaseUrl: string,
  options: DirectSinkOptions = {},
): Promise<DirectSink> {
  const database = await openSinkDatabase(databaseUrl);
  const waiting: SinkRow[] = [];
  const damaged = new AbortController();
  let damageStatement = options.damageStatement;
  const bodies: string[] = [];
  let rowCount = 0;
  let applied = '';
  let turn: Promise<unknown> = Promise.resolve();

  async function apply(rows: SinkRow[]): Promise<void> {
    await database.apply(options.damage?.(rows) ?? rows);
    const isDue = rows.some(
      ({ topic, key }) => topic === 'workload_ledger' && key === '[30]',
    );
    if (isDue && damageStatement !== undefined) {
      await database.query(damageStatement);
      damageStatement = undefined;
      damaged.abort();
    }
  }

  async function take(body: string): Promise<void> {
    const message = JSON.parse(body, keepDigits) as {
      resolved?: string;
      payload?: {
        topic: string;
        key: unknown;
        updated: string;
        after: SinkRow['after'];
      }[];
    };
    const rows = (message.payload ?? []).map((row) => ({
      ...row,
      key: JSON.stringify(row.key),
    }));
    rowCount += rows.length;
    if (options.immediate) {
      await apply(rows);
      return;
    }
    waiting.push(...rows);
    const through = message.resolved;
    if (through !== undefined && through > applied) {
      const due = waiting.filter((row) => row.updated <= through);
      const later = waiting.filter((row) => row.updated > through);
      waiting.splice(0, waiting.length, ...later);
      const fresh = due.filter((row) => row.updated > applied);
      fresh.sort((a, b) =>
        a.updated < b.updated ? -1 : a.updated > b.updated ? 1 : 0,
      );
      await apply(fresh);
      applied = through;
    }
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const zipped = request.headers['content-encoding'] === 'gzip';
      const body = (zipped ? gunzipSync(raw) : raw).toString('utf8');
      bodies.push(body);
      const status = options.refuse?.(body) ?? null;
      if (status !== null) {
        response.writeHead(status).end('refused by the test');
        return;
      }
      turn = turn
        .then(() => take(body))
        .then(
          () => response.writeHead(200).end('OK'),
          (error: Error) => response.writeHead(500).end(error.message),
        );
    });
  };
  const server = options.tls
    ? createTlsServer(options.tls, handle)
    : createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}/db/public`,
    get rowCount() {
      return rowCount;
    },
    requestBodies: bodies,
    damaged: damaged.signal,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await turn;
      await database.close();
    },
  };
}
