/**
 * The load process: sixteen keep-alive TLS connections, each sending its next
 * request when the last was answered. Raw sockets, because an HTTP client
 * would take a share of the two cores that belongs to the daemon.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TLSSocket, connect } from 'node:tls';
import {
  type LoadCommand,
  type LoadReport,
  type LoadSetup,
  machineMs,
} from './load-protocol.ts';
import { BodyWriter } from './request-body.ts';
import { FIRST_ID } from './rows.ts';

const RESOLVED_INTERVAL_MS = 250;

let setup: LoadSetup;
let connections: Connection[] = [];
let nextId = FIRST_ID;
let pastNs = 0n;
let lastTimeNs = 0n;
/** Rows that are reported when a resolved timestamp covers them. */
let uncovered: { readonly id: number; readonly time: bigint }[] = [];
/** The earliest timestamp of every request not yet answered. */
const pendingTimes = new Set<bigint>();

function nextTime(): bigint {
  const now = BigInt(Date.now()) * 1_000_000n - pastNs;
  lastTimeNs = now > lastTimeNs ? now : lastTimeNs + 1n;
  return lastTimeNs;
}

const timeText = (timeNs: bigint): string => `${timeNs}.0000000000`;

function report(message: LoadReport): void {
  process.send?.(message);
}

interface Connection {
  readonly socket: TLSSocket;
  readonly bodies: BodyWriter;
  post(body: string | Buffer): Promise<{ status: number; text: string }>;
}

async function openConnection(): Promise<Connection> {
  const socket = connect({
    host: '127.0.0.1',
    port: setup.port,
    ca: setup.ca,
    cert: setup.cert,
    key: setup.key,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  let waiting: PromiseWithResolvers<{ status: number; text: string }>;
  let received = '';
  socket.on('error', (error) => waiting?.reject(error));
  socket.on('close', () => waiting?.reject(new Error('connection closed')));
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
    if (received.length < headEnd + 4 + length) return;
    const status = Number(received.slice(9, 12));
    const text = received.slice(headEnd + 4);
    received = '';
    waiting.resolve({ status, text });
  });
  const head = `POST ${setup.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: `;
  return {
    socket,
    bodies: new BodyWriter(setup.shape),
    post(body) {
      waiting = Promise.withResolvers();
      // The rows are ASCII: characters are bytes.
      socket.cork();
      socket.write(`${head}${body.length}\r\n\r\n`, 'latin1');
      socket.write(body, 'latin1');
      socket.uncork();
      return waiting.promise;
    },
  };
}

async function postUntilAccepted(
  connection: Connection,
  body: string | Buffer,
): Promise<void> {
  for (;;) {
    const { status, text } = await connection.post(body);
    if (status === 200) return;
    if (status !== 503) throw new Error(`answered ${status}: ${text}`);
    await sleep(50);
  }
}

async function run(command: LoadCommand): Promise<void> {
  const { requestRows } = setup.shape;
  const { sample } = command;
  const past = BigInt(command.pastMs ?? 0) * 1_000_000n;
  if (past !== pastNs) {
    pastNs = past;
    lastTimeNs = 0n;
  }
  const maxRequests = Math.ceil((command.rows ?? Infinity) / requestRows);
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + command.seconds * 1000;
  const latenciesMs: number[] = [];
  let requestCount = 0;

  async function lane(connection: Connection): Promise<void> {
    while (performance.now() < endsAtMs && requestCount < maxRequests) {
      if (command.rowsPerSecond !== null) {
        const dueAtMs =
          startedAtMs +
          (requestCount * requestRows * 1000) / command.rowsPerSecond;
        requestCount += 1;
        await sleep(Math.max(0, dueAtMs - performance.now()));
        if (dueAtMs > endsAtMs) {
          requestCount -= 1;
          return;
        }
      } else {
        requestCount += 1;
      }
      const firstId = nextId;
      nextId += requestRows;
      const firstTime = nextTime();
      pendingTimes.add(firstTime);
      const body = connection.bodies.body(firstId, () => timeText(nextTime()));
      if (sample && (firstId / requestRows) % sample.every === 0) {
        if (sample.at === 'sending') {
          report({ kind: 'sample', id: firstId, sentAtMs: machineMs() });
        } else {
          // Its own time is the first that was taken for the body.
          uncovered.push({ id: firstId, time: firstTime + 1n });
        }
      }
      const sentAtMs = performance.now();
      await postUntilAccepted(connection, body);
      latenciesMs.push(performance.now() - sentAtMs);
      pendingTimes.delete(firstTime);
    }
  }

  const finished = new AbortController();
  const resolving = command.resolved
    ? sendResolved(finished.signal)
    : Promise.resolve();
  await Promise.all(connections.map(lane));
  const elapsedMs = performance.now() - startedAtMs;
  finished.abort();
  await resolving;
  report({
    kind: 'done',
    rowCount: requestCount * requestRows,
    nextId,
    elapsedMs,
    latenciesMs,
  });
}

/** On a connection of its own, as a changefeed does; once more at the end. */
async function sendResolved(finished: AbortSignal): Promise<void> {
  const connection = await openConnection();
  for (let isLast = false; !isLast;) {
    await sleep(RESOLVED_INTERVAL_MS, undefined, { signal: finished }).catch(
      () => {},
    );
    isLast = finished.aborted;
    let time = nextTime();
    for (const pending of pendingTimes) {
      if (pending <= time) time = pending - 1n;
    }
    const sentAtMs = machineMs();
    uncovered = uncovered.filter((row) => {
      if (row.time > time) return true;
      report({ kind: 'sample', id: row.id, sentAtMs });
      return false;
    });
    await postUntilAccepted(connection, `{"resolved":"${timeText(time)}"}`);
  }
  connection.socket.destroy();
}

process.on('message', (message: LoadSetup | LoadCommand) => {
  void (async () => {
    if (message.kind === 'setup') {
      setup = message;
      connections = await Promise.all(
        Array.from({ length: message.connections }, openConnection),
      );
      report({ kind: 'ready' });
    } else {
      await run(message);
    }
  })().catch((error: unknown) => {
    report({ kind: 'failed', text: String(error) });
  });
});
process.on('disconnect', () => process.exit());
