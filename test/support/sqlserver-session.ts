/** A session of its own for tests, that shares nothing with the target but the driver. */
import { Connection, Request } from 'tedious';

/** Every value as text. */
export type TextRow = (string | null)[];

export interface SqlServerSession extends AsyncDisposable {
  /** One batch; the rows of all its results. */
  query(text: string): Promise<TextRow[]>;
}

export async function openSqlServerSession(
  url: string,
): Promise<SqlServerSession> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const connection = new Connection({
    server: hostname,
    authentication: {
      type: 'default',
      options: {
        userName: decodeURIComponent(username),
        password: decodeURIComponent(password),
      },
    },
    options: {
      port: Number(port || 1433),
      database: decodeURIComponent(pathname.slice(1)),
      encrypt: false,
      trustServerCertificate: true,
      connectTimeout: 60_000,
      requestTimeout: 120_000,
    },
  });
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  // A test may end every session: that is its matter.
  connection.on('error', () => {});
  let tail: Promise<unknown> = Promise.resolve();
  const run = (text: string): Promise<TextRow[]> => {
    const turn = tail.then(() => runBatch(connection, text));
    tail = turn.catch(() => {});
    return turn;
  };
  return {
    query: run,
    async [Symbol.asyncDispose]() {
      await tail;
      connection.close();
    },
  };
}

/** What tedious reads through a double, digits lost. */
const inexactTypes = /^(decimal|numeric|money)/i;

async function runBatch(
  connection: Connection,
  text: string,
): Promise<TextRow[]> {
  const { rows, names } = await send(connection, text);
  if (names === null) {
    return rows;
  }
  const ordered = /^(.*?)\s+(order by [^()]*)$/is.exec(text);
  const list = names.map((name) => `cast([${name}] as nvarchar(max))`);
  const exact = `select ${list.join(', ')} from (${ordered?.[1] ?? text}) as q ${ordered?.[2] ?? ''}`;
  return (await send(connection, exact)).rows;
}

interface Answer {
  readonly rows: TextRow[];
  /** Of the columns, where one of them was not read exactly. */
  readonly names: string[] | null;
}

function send(connection: Connection, text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const rows: TextRow[] = [];
    let names: string[] | null = null;
    const request = new Request(text, (error) => {
      if (error) {
        reject(error);
      } else {
        resolve({ rows, names });
      }
    });
    request.on('columnMetadata', (columns) => {
      const list = columns as { colName: string; type: { name: string } }[];
      if (list.some(({ type }) => inexactTypes.test(type.name))) {
        names = list.map(({ colName }) => colName);
      }
    });
    request.on('row', (columns: { value: unknown }[]) => {
      rows.push(columns.map(({ value }) => textOf(value)));
    });
    connection.execSqlBatch(request);
  });
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) {
    return null;
  }
  if (Buffer.isBuffer(value)) {
    return `0x${value.toString('hex')}`;
  }
  if (value instanceof Date) {
    return value.toISOString();
  }
  return typeof value === 'boolean'
    ? String(Number(value))
    : String(value as string | number);
}
