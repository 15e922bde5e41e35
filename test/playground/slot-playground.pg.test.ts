/** What the playground of a slot does, without a container engine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import pg from 'pg';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { startDaemon } from '../support/daemon.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../support/postgres-server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const compose = parse(read('docker-compose.slot.yml')) as {
  services: Record<
    string,
    {
      readonly command?: readonly string[];
      readonly volumes?: readonly string[];
      readonly depends_on?: object;
    }
  >;
  volumes: Record<string, unknown>;
  secrets: Record<string, { readonly file: string }>;
};
const { services } = compose;

async function run(server: PostgresServer, text: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url('shop') });
  await client.connect();
  await client.query(text);
  return client;
}

async function startShop(
  settings: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const server = await startPostgresServer({ fsync: false, settings });
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query('create database shop');
  await client.end();
  return server;
}

test('what its services mount and wait for is there', () => {
  for (const { volumes = [], depends_on: needs = {} } of Object.values(
    services,
  )) {
    for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
      expect(
        source.startsWith('.')
          ? existsSync(join(root, source))
          : source in compose.volumes,
        source,
      ).toBe(true);
    }
    expect(Object.keys(services)).toEqual(
      expect.arrayContaining(Object.keys(needs)),
    );
  }
});

test('its settings, tables, traffic and command line bring rows from one server to the other', async () => {
  const settings = services['source']!.command!.filter((word) =>
    word.includes('='),
  ).map((word) => word.split('=') as [string, string]);
  await using source = await startShop(Object.fromEntries(settings));
  await using target = await startShop({});
  const atSource = await run(source, read('docker/slot-source.sql'));
  const atTarget = await run(target, read('docker/target.sql'));
  try {
    const [command, ...flags] = services['replicator']!.command!;
    expect(command).toBe('pglogical');
    const address = /postgresql:\/\/postgres:postgres@(\w+):5432\/shop/;
    const servers: Record<string, PostgresServer> = { source, target };
    await using _daemon = await startDaemon({
      command: 'pglogical',
      args: flags.map((flag) =>
        flag.replace(/file:\/run\/secrets\/(\S+)$/, (_whole, secret: string) =>
          read(compose.secrets[secret]!.file)
            .trim()
            .replace(address, (_, name: string) => servers[name]!.url('shop')),
        ),
      ),
    });
    await expect
      .poll(async () => {
        const { rows } = await atSource.query(
          'select active from pg_replication_slots',
        );
        return rows;
      })
      .toEqual([{ active: true }]);
    const rowsOf = async (client: pg.Client): Promise<unknown[]> => {
      const { rows } = await client.query<object>(
        `select c.name, p.id::text, p.amount, p.note from customer c
           join purchase p on p.customer_id = c.id order by p.id`,
      );
      return rows;
    };
    for (let round = 1; round <= 3; round += 1) {
      await atSource.query(read('docker/slot-traffic.sql'));
    }
    const expected = await rowsOf(atSource);
    expect(expected).toHaveLength(3 * 15);
    await expect.poll(() => rowsOf(atTarget)).toEqual(expected);
  } finally {
    await atSource.end();
    await atTarget.end();
  }
});
