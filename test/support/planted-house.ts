/** A daemon whose every secret is planted, and all that comes out of it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runCommandLine } from './captured-io.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import {
  filesBelow,
  plantedSecret,
  type PlantedSecret,
} from './planted-secret.ts';
import { claimName } from './tokens.ts';

export interface PlantedHouse extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Whatever was planted, tokens and keys with it. */
  readonly secrets: readonly PlantedSecret[];
  /** Rows, tokens and secrets where none belong; each reply is kept. */
  knock(path: string): Promise<void>;
  /** A row of table `t`, with a good token. */
  send(path: string, row: { id: number; v: string }): Promise<number>;
  /** Health, metrics and diagnostics as they are now are kept. */
  look(): Promise<string>;
  /** What a command prints is kept. */
  run(...argv: string[]): Promise<string>;
  /** Replies, log, routes, command output, and what lies in the folder. */
  left(): Promise<string>;
}

export interface PlantedHouseOptions {
  /** Flags, with addresses that hold the secrets. */
  readonly args: readonly string[];
  /** Of `jwt` commands: where staging is. */
  readonly staging: readonly string[];
  readonly secrets: readonly PlantedSecret[];
  /** As a token names it. */
  readonly allowed: string;
}

/** An address with this user and secret. */
export function urlWith(
  url: string,
  user: string,
  { encoded }: PlantedSecret,
  parameters = '',
): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${user}:${encoded}@${host}${pathname}${parameters}`;
}

export async function plantedHouse(
  options: PlantedHouseOptions,
): Promise<PlantedHouse> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'replicator-planted-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const kept: string[] = [];
  const dataDir = join(folder, 'data');
  const daemon = stack.use(
    await startDaemon({
      dataDir,
      args: ['-vv', '--logFormat=fluent', ...options.args],
      waitFor: 'listening',
    }),
  );
  const staging = [...options.staging, `--dataDir=${dataDir}`];
  const keys = join(folder, 'keys');
  const command = async (...argv: string[]): Promise<string> => {
    const { stdout, stderr } = await runCommandLine(argv, {
      env: { REPLICATOR_AUDIT_LOG: join(folder, 'commands.log') },
    });
    return `${stdout}\n${stderr}`;
  };
  kept.push(
    await command('jwt', 'add-key', '--generate', `--out=${keys}`, ...staging),
  );
  const make = async (allowed: string): Promise<string> =>
    (
      await runCommandLine([
        'make-jwt',
        `--key=${join(keys, 'token-key.pem')}`,
        `--allow=${allowed}`,
      ])
    ).stdout.trim();
  const token = await make(options.allowed);
  const diagToken = await make('_.diag');
  const pem = await readFile(join(keys, 'token-key.pem'), 'utf8');
  const [stray, typed, key] = [
    plantedSecret(),
    plantedSecret(),
    plantedSecret(),
  ];
  const forged = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from(JSON.stringify({ [claimName]: stray.raw })).toString('base64url')}.${Buffer.from(stray.raw).toString('base64url')}`;
  const asSecret = (...cores: string[]): PlantedSecret => ({
    raw: cores[0]!,
    encoded: cores[0]!,
    cores,
  });
  const secrets = [
    ...options.secrets,
    stray,
    typed,
    key,
    asSecret(token.split('.')[2]!, diagToken.split('.')[2]!),
    asSecret(...pem.trim().split('\n').slice(1, -1)),
  ];
  const keep = async (reply: Response): Promise<number> => {
    kept.push(
      `${reply.status} ${JSON.stringify([...reply.headers])}`,
      await reply.text(),
    );
    return reply.status;
  };
  let clock = BigInt(Date.now() - 60_000) * 1_000_000n;
  const nextTime = (): string => {
    clock += 1_000_000n;
    return `${clock}.0000000000`;
  };
  const bearer = { authorization: `Bearer ${token}` };
  daemon.kill('SIGHUP');
  const owned = stack.move();
  return {
    daemon,
    secrets,
    async send(path, row) {
      const post = async (body: object): Promise<number> =>
        keep(
          await fetch(`${daemon.url}${path}`, {
            method: 'POST',
            headers: bearer,
            body: JSON.stringify(body),
          }),
        );
      const status = await post({
        payload: [
          { topic: 't', updated: nextTime(), key: [row.id], after: row },
        ],
        length: 1,
      });
      await post({ resolved: nextTime() });
      return status;
    },
    async knock(path) {
      const headers: Record<string, string>[] = [
        {},
        { authorization: `Bearer ${forged}` },
        { authorization: `Bearer ${encodeURIComponent(typed.raw)}` },
        {
          authorization: `Basic ${Buffer.from(`u:${typed.raw}`).toString('base64')}`,
        },
        { authorization: encodeURIComponent(typed.raw) },
        { cookie: `access_token=${typed.encoded}` },
        { 'content-encoding': typed.encoded, ...bearer },
        { 'content-type': `text/plain; x=${typed.encoded}`, ...bearer },
      ];
      const paths = [
        path,
        `${path}?access_token=${forged}`,
        `${path}?access_token=${typed.encoded}`,
        `${path}?Access_Token=${typed.encoded}`,
        `${path}?access%5ftoken=${typed.encoded}`,
        `${path}?access_token=${typed.encoded}&access_token=${token}`,
        `${path}?client_key=${encodeURIComponent(Buffer.from(key.raw).toString('base64'))}&client_cert=x`,
        `${path}?sslpassword=${key.encoded}`,
        `/_/nowhere?access_token=${typed.encoded}`,
        `/_/diag?access_token=${typed.encoded}`,
      ];
      for (const header of headers) {
        for (const each of paths) {
          for (const method of ['POST', 'GET']) {
            await keep(
              await fetch(`${daemon.url}${each}`, {
                method,
                headers: header,
                ...(method === 'POST' && { body: '{"payload":[],"length":0}' }),
              }),
            );
          }
        }
      }
    },
    async look() {
      const from = kept.length;
      for (const path of ['/_/healthz', '/_/varz', '/_/diag']) {
        await keep(
          await fetch(`${daemon.metricsUrl}${path}`, {
            headers: { authorization: `Bearer ${diagToken}` },
          }),
        );
      }
      return kept.slice(from).join('\n');
    },
    async run(...argv) {
      const printed = await command(...argv);
      kept.push(printed);
      return printed;
    },
    async left() {
      const commandLine = await readFile(
        `/proc/${daemon.pid}/cmdline`,
        'utf8',
      ).catch(() => '');
      expect(daemon.logs()).toContain('request refused');
      return [
        ...kept,
        commandLine,
        daemon.logs(),
        filesBelow(folder, /token-key/),
      ].join('\n');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A server that sends back what it hears, and whatever else is given. */
export async function echoServer(
  answer: (heard: Buffer, count: number) => Buffer | null,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let count = 0;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (heard: Buffer) => {
      const said = answer(heard, count++);
      if (said) {
        socket.write(said);
      } else {
        socket.destroy();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
