/**
 * A daemon that is given rows full of marked values, and all that it says
 * while they fail. Keys are plain numbers, for a key may be named.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Daemon, startDaemon } from './daemon.ts';

/** In each marked value, as digits or within a text. */
export const marker = '73450193';

/** The ways in which the marked values may be met again. */
const traces: readonly RegExp[] = [
  /73450193/,
  /Markd/i,
  // As bytes: hexadecimal, base64 at each of three places.
  /4d61726b64/i,
  /TWFya2/,
  /1hcmtk/,
  /NYXJrZ/,
  /3173-04-05/,
  /73\.45\.1\.93/,
  /31:45:09/,
];

/** Where a text shows a marked value. */
export function markersIn(text: string): string[] {
  return traces.flatMap((trace) => {
    const at = text.search(trace);
    return at < 0
      ? []
      : [`${trace} in …${text.slice(Math.max(0, at - 300), at + 100)}…`];
  });
}

/** Marked JSON values by a word for their kind. */
export const marked = {
  int: Number(marker),
  bigint: `${marker}${marker}`,
  decimal: `${marker}.${marker}`,
  float: 7.3450193e3,
  text: `Markd ${marker} 'quoted" (x)=(y)`,
  date: '3173-04-05',
  timestamp: '3173-04-05T07:31:45.093',
  time: '31:45:09',
  uuid: `${marker}-aaaa-4bbb-8ccc-dddddddddddd`,
  bytes: '\\x4d61726b64',
  json: { Markd: [marker, Number(marker)] },
  inet: '73.45.1.93',
  array: [`Markd${marker}`, 'Markd, "2"'],
} as const;

export interface MarkedHouse extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Sends one row to a path, and the promise that nothing earlier comes. */
  send(path: string, table: string, row: MarkedRow): Promise<void>;
  /** A request of any kind; its reply is kept. */
  post(path: string, body: string | Uint8Array): Promise<number>;
  health(): Promise<string>;
  /** All that the daemon has said: replies, log, routes, audit log. */
  said(): Promise<string>;
}

export interface MarkedRow {
  readonly key: readonly unknown[];
  readonly after: object | null;
}

export async function markedHouse(
  args: readonly string[],
): Promise<MarkedHouse> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'replicator-markers-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const daemon = stack.use(
    await startDaemon({
      args: ['--disableAuthentication', '-v', ...args],
      dataDir,
      waitFor: 'listening',
    }),
  );
  const heard: string[] = [];
  let clock = BigInt(Date.now() - 60_000) * 1_000_000n;
  const nextTime = (): string => {
    clock += 1_000_000n;
    return `${clock}.0000000000`;
  };
  const post: MarkedHouse['post'] = async (path, body) => {
    const reply = await fetch(`${daemon.url}${path}`, {
      method: 'POST',
      body: Buffer.from(body as string),
    });
    heard.push(
      JSON.stringify([...reply.headers]),
      `${reply.status} ${await reply.text()}`,
    );
    return reply.status;
  };
  const route = async (path: string): Promise<string> =>
    (await fetch(`${daemon.metricsUrl}${path}`)).text();
  const owned = stack.move();
  return {
    daemon,
    post,
    health: () => route('/_/healthz'),
    async send(path, topic, row) {
      const sent = { topic, updated: nextTime(), ...row };
      expect(
        await post(path, JSON.stringify({ payload: [sent], length: 1 })),
      ).toBe(200);
      await post(path, JSON.stringify({ resolved: nextTime() }));
    },
    async said() {
      const routes = await Promise.all(
        ['/_/healthz', '/_/varz', '/_/diag'].map(route),
      );
      expect(routes[2]).toContain('"pipelines"');
      const audit = await readFile(join(dataDir, 'audit.log'), 'utf8');
      return [...heard, ...routes, audit, daemon.logs()].join('\n');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Requests that can never work, each with marked values wherever it may. */
export function refusedBodies(table: string): (string | Uint8Array)[] {
  const updated = `${BigInt(Date.now()) * 1_000_000n}.0000000000`;
  const text = JSON.stringify(marked.text);
  const row = (fields: string): string =>
    `{"payload":[{"topic":"${table}","updated":"${updated}",${fields}}],"length":1}`;
  return [
    `{"payload":[{"after":{"id":1,"v":${text}`,
    `{"payload":[{"after":{"id":1,"v":${text}} Markd`,
    `Markd${marker}`,
    `[${text}]`,
    text,
    row(`"key":[1],"after":${text}`),
    row(`"key":[1],"after":[${text}]`),
    row(`"key":[1],"after":${marker}`),
    row(`"key":${text},"after":{"id":1,"v":${text}}`),
    row(`"key":[${text},${text}],"after":{"id":1,"v":${text}}`),
    row(`"key":[{"a":${text}}],"after":{"id":1,"v":${text}}`),
    row(`"key":[null],"after":{"id":null,"v":${text}}`),
    row(`"after":{"v":${text}}`),
    row(`"key":[1],"after":{"id":2,"v":${text}}`),
    row(`"key":[1],"after":{"id":1,"v":${text},"v":${text}}`),
    row(`"key":[1],"after":{"id":1,"v":${text},"nosuch":${text}}`),
    row(`"key":[1],"after":{"id":1,"v":"\\u0000Markd"}`),
    row(`"key":[1],"after":{"id":1,"v":"\\ud800Markd"}`),
    row(`"key":[1],"after":{"id":1,"v":"Markd\\x"}`),
    row(`"key":[1],"after":{"id":1,"v":Markd}`),
    row(`"key":[1],"after":{"id":1,"v":${marker}e}`),
    row(
      `"key":[1],"after":{"id":1,"v":${'['.repeat(200)}${text}${']'.repeat(200)}}`,
    ),
    row(`"key":[1],"after":{"id":1,"v":${text}},"before":${text}`),
    `{"payload":[{"topic":"${table}","updated":${text},"key":[1],"after":{"id":1}}],"length":1}`,
    `{"payload":[{"topic":"${table}","updated":"${marker}","key":[1],"after":{"id":1}}],"length":1}`,
    `{"payload":[{"topic":"${table}","updated":"${updated}","key":[1],"after":{"id":1}}],"length":${text}}`,
    `{"payload":[{"topic":"${table}","updated":"${updated}","key":[1],"after":{"id":1}}],"length":${marker}.5}`,
    `{"payload":${text},"length":1}`,
    `{"payload":[${text}],"length":1}`,
    `{"payload":[${marker}],"length":1}`,
    `{"resolved":${text}}`,
    `{"resolved":${marker}}`,
    new Uint8Array([
      ...Buffer.from(row(`"key":[1],"after":{"id":1,"v":"Markd`)),
      0xff,
      0xfe,
    ]),
  ];
}
