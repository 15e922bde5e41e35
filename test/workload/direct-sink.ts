/**
 * A webhook that is no replicator: it keeps what arrives in memory and, at
 * each resolved timestamp, applies the transactions up to it to PostgreSQL,
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

import pg from 'pg';

interface Row {
  readonly topic: string;
  readonly key: string;
  readonly updated: string;
  readonly after: Record<string, unknown> | null;
}

export interface DirectSink extends AsyncDisposable {
  readonly url: string;
  readonly rowCount: number;
  readonly requestBodies: readonly string[];
}

export interface DirectSinkOptions {
  /** Answers before anything is looked at: a status to refuse with, or null. */
  readonly refuse?: (body: string) => number | null;
  /** Damages: changes the rows of one apply. */
  readonly damage?: (rows: Row[]) => Row[];
  /** Apply each request at once, without waiting for resolved. */
  readonly immediate?: boolean;
  readonly tls?: ServerOptions;
}

export async function directSink(
  databaseUrl: string,
  options: DirectSinkOptions = {},
): Promise<DirectSink> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const waiting: Row[] = [];
  const bodies: string[] = [];
  let rowCount = 0;
  let applied = '';
  let turn: Promise<unknown> = Promise.resolve();

  async function apply(rows: Row[]): Promise<void> {
    await client.query('begin');
    await client.query("set local session_replication_role = 'replica'");
    for (const row of options.damage?.(rows) ?? rows) {
      await applyRow(client, row);
    }
    await client.query('commit');
  }

  async function take(body: string): Promise<void> {
    const message = JSON.parse(body, keepDigits) as {
      resolved?: string;
      payload?: {
        topic: string;
        key: unknown;
        updated: string;
        after: Row['after'];
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
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await turn;
      await client.end();
    },
  };
}

/** Numbers stay the text they were sent as. */
function keepDigits(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { source?: string },
): unknown {
  return typeof value === 'number'
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(
        context!.source!,
      )
    : value;
}

async function applyRow(client: pg.Client, row: Row): Promise<void> {
  const keyColumns = await keyColumnsOf(client, row.topic);
  const key = JSON.parse(row.key, keepDigits) as unknown[];
  const where = keyColumns
    .map((column, index) => `${column}::text = $${index + 1}`)
    .join(' and ');
  await client.query(
    `delete from ${row.topic} where ${where}`,
    key.map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    ),
  );
  if (row.after) {
    // PostgreSQL reads the row itself, digits, arrays and all.
    await client.query(
      `insert into ${row.topic} select * from json_populate_record(null::${row.topic}, $1)`,
      [JSON.stringify(row.after)],
    );
  }
}

const keyColumns = new Map<string, string[]>();

async function keyColumnsOf(
  client: pg.Client,
  table: string,
): Promise<string[]> {
  const known = keyColumns.get(table);
  if (known) {
    return known;
  }
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)
     where indrelid = $1::regclass and indisprimary order by array_position(indkey::int[], attnum::int)`,
    [table],
  );
  const columns = rows.map((found) => found.attname);
  keyColumns.set(table, columns);
  return columns;
}
