/** Planted secrets before real PostgreSQL servers, and whatever comes out. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { runCommandLine } from '../support/captured-io.ts';
import { startDaemon } from '../support/daemon.ts';
import { startSlotServer } from '../support/slot-house.ts';
import { echoServer, plantedHouse, urlWith } from '../support/planted-house.ts';
import {
  filesBelow,
  plantedSecret,
  type PlantedSecret,
  tracesOf,
} from '../support/planted-secret.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

const timeoutMs = 300_000;
const literal = ({ raw }: PlantedSecret): string =>
  `'${raw.replaceAll("'", "''")}'`;

/** A role that may do everything in the database, with a planted password. */
async function role(
  database: TestDatabase,
  name: string,
  secret: PlantedSecret,
  stack: AsyncDisposableStack,
): Promise<void> {
  await database.query(
    `set standard_conforming_strings = on; create role ${name} superuser login password ${literal(secret)}`,
  );
  stack.defer(async () => {
    await database.query(
      `reassign owned by ${name} to current_user; drop owned by ${name}; drop role ${name}`,
    );
  });
}

test(
  'a daemon that says all it can keeps its secrets, through good and bad requests, cut sessions and a password that is no more',
  { timeout: timeoutMs },
  async () => {
    await using database = await testDatabase();
    await using stack = new AsyncDisposableStack();
    const [ofTarget, ofStaging, wrong] = [
      plantedSecret(),
      plantedSecret(),
      plantedSecret(),
    ];
    const targetRole = `t_${database.name}`;
    const stagingRole = `s_${database.name}`;
    await role(database, targetRole, ofTarget, stack);
    await role(database, stagingRole, ofStaging, stack);
    await database.query(
      `create table t (id int8 primary key, v text check (v <> 'bad'))`,
    );
    const target = urlWith(
      database.url,
      targetRole,
      ofTarget,
      '?application_name=planted',
    );
    const staging = [
      `--stagingConn=${urlWith(database.url, stagingRole, ofStaging)}`,
      `--stagingSchema=${database.name}.staging`,
    ];
    await using house = await plantedHouse({
      args: [
        `--targetConn=${target}`,
        ...staging,
        '--stagingCreateSchema',
        '--onRowError=deadLetter',
      ],
      staging,
      secrets: [ofTarget, ofStaging, wrong],
      allowed: `${database.name}.public`,
    });
    const path = `/${database.name}/public`;
    await expect
      .poll(() => house.send(path, { id: 1, v: 'good' }), { timeout: 60_000 })
      .toBe(200);
    expect(await house.send(path, { id: 2, v: 'bad' })).toBe(200);
    const schema = [`--schema=${database.name}.public`];
    await expect
      .poll(
        () => house.run('dlq', 'list', `--targetConn=${target}`, ...schema),
        { timeout: 60_000 },
      )
      .toContain('[2]');
    await house.knock(path);
    expect(await house.look()).toContain('"targetConn": "postgresql://***@');

    for (const argv of [
      ['staging', 'list', ...staging],
      ['staging', 'peek', ...staging, ...schema],
      ['staging', 'purge', ...staging, ...schema],
      ['staging', 'rescan', ...staging, ...schema],
      ['dlq', 'show', '1', `--targetConn=${target}`, ...schema],
      ['dlq', 'retry', `--targetConn=${target}`, ...schema],
      ['dlq', 'discard', '--dry-run', `--targetConn=${target}`, ...schema],
      ['preflight', `--targetConn=${target}`, ...staging, '--printGrants'],
      ['preflight', `--targetConn=${target}`, ...staging],
      ['jwt', 'list', ...staging],
      ['jwt', 'revoke', 'nobody', ...staging],
    ]) {
      await house.run(...argv);
    }

    const cut = async (): Promise<void> => {
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename in ('${targetRole}', '${stagingRole}')`,
      );
    };
    await cut();
    await house.send(path, { id: 3, v: 'good' });
    for (const name of [targetRole, stagingRole]) {
      await database.query(`alter role ${name} password ${literal(wrong)}`);
    }
    await cut();
    await house.send(path, { id: 4, v: 'good' });
    await expect
      .poll(() => house.look(), { timeout: 60_000 })
      .toMatch(/password authentication failed|28P01/);
    for (const argv of [
      ['staging', 'list', ...staging],
      ['dlq', 'list', `--targetConn=${target}`, ...schema],
      ['preflight', `--targetConn=${target}`, ...staging],
    ]) {
      expect(await house.run(...argv)).toMatch(/E\d{4}|error/);
    }
    house.daemon.kill('SIGTERM');
    await house.daemon.exited;
    const { rows } = await database.query<{ text: string }>(
      `select query_to_xml('select * from ' || quote_ident(table_schema) || '.' || quote_ident(table_name), true, false, '')::text as text
       from information_schema.tables where table_schema in ('staging', 'public') and table_type = 'BASE TABLE'`,
    );
    const stored = rows.map(({ text }) => text).join('\n');
    expect(stored).toContain('staging-id');
    expect(stored).toContain('t_v_check');
    expect(tracesOf(`${await house.left()}\n${stored}`, house.secrets)).toEqual(
      [],
    );
  },
);

test(
  'a daemon behind a slot keeps the secret of its source, through a cut session and a password that is no more',
  { timeout: timeoutMs },
  async () => {
    await using server = await startSlotServer();
    await using target = await testDatabase();
    await target.query('create table t (id int8 primary key)');
    const [ofSource, wrong] = [plantedSecret(), plantedSecret()];
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    await client.query(
      `create table t (id int8 primary key); create role reader superuser login password ${literal(ofSource)}`,
    );
    await client.end();
    const source = urlWith(server.url(), 'reader', ofSource);
    const flags = [
      `--sourceConn=${source}`,
      '--slotName=planted',
      '--publicationName=planted',
      `--targetSchema=${target.name}.public`,
      `--targetConn=${target.url}`,
    ];
    await using daemon = await startDaemon({
      command: 'pglogical',
      args: [
        ...flags,
        '-vv',
        '--createSlot',
        '--createPublication',
        '--disableAuthentication',
      ],
      waitFor: 'listening',
    });
    await expect
      .poll(() => daemon.logs(), { timeout: 60_000 })
      .toContain('ready: slot');
    // A session that is still dialled is not there to be ended.
    await expect
      .poll(() => daemon.logs(), { timeout: 60_000 })
      .toContain('reading the slot');
    const look = async (): Promise<string> =>
      (
        await Promise.all(
          ['healthz', 'varz', 'diag'].map(async (path) =>
            (await fetch(`${daemon.metricsUrl}/_/${path}`)).text(),
          ),
        )
      ).join('\n');
    const before = await look();
    expect(before).toContain('"sourceConn": "postgresql://***@');
    const again = new pg.Client({ connectionString: server.url() });
    await again.connect();
    await again.query(`alter role reader password ${literal(wrong)}`);
    await again.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'`,
    );
    await again.end();
    await expect
      .poll(() => daemon.logs(), { timeout: 60_000 })
      .toContain('28P01');
    const preflight = await runCommandLine(['preflight', ...flags]);
    expect(preflight.stdout).toContain('28P01');
    const left = [
      before,
      preflight.stdout,
      preflight.stderr,
      daemon.logs(),
      filesBelow(daemon.dataDir, /^$/),
    ].join('\n');
    expect(tracesOf(left, [ofSource, wrong])).toEqual([]);
  },
);

const failing: Readonly<
  Record<string, (url: string, secret: PlantedSecret) => string>
> = {
  'a wrong password': (url, secret) => urlWith(url, 'postgres', secret),
  'a role that is not there': (url, secret) =>
    urlWith(url, 'nobody_here', secret),
  'a database that is not there': (url, secret) => {
    const other = new URL(url);
    other.pathname = '/nowhere';
    return `${urlWith(other.href, 'postgres', secret)}`;
  },
  'TLS that the server does not have': (url, secret) =>
    urlWith(url, 'postgres', secret, '?sslmode=require'),
  'a root certificate that is not there': (url, secret) =>
    urlWith(
      url,
      'postgres',
      secret,
      `?sslmode=verify-full&sslrootcert=/nowhere/ca.pem&sslpassword=${secret.encoded}`,
    ),
  'a host that is not there': (url, secret) =>
    urlWith(
      url.replace(/127\.0\.0\.1|localhost/, 'planted.invalid'),
      'postgres',
      secret,
    ),
  'a password in a parameter': (url, secret) =>
    urlWith(url, 'postgres', secret, `?password=${secret.encoded}`),
  'an unknown parameter': (url, secret) =>
    urlWith(url, 'postgres', secret, `?passwort=${secret.encoded}`),
};

const commandsFor = (address: string, folder: string): string[][] => [
  [
    'preflight',
    `--targetConn=${address}`,
    `--stagingConn=${address}`,
    `--dataDir=${folder}`,
  ],
  [
    'preflight',
    `--sourceConn=${address}`,
    '--publicationName=p',
    '--targetSchema=a.b',
    `--targetConn=${address}`,
    `--dataDir=${folder}`,
  ],
  [
    'start',
    `--targetConn=${address}`,
    '--disableAuthentication',
    '--bindAddr=127.0.0.1:0',
    '-vv',
    `--dataDir=${folder}`,
    `--stagingConn=${address}`,
  ],
  ['staging', 'list', `--stagingConn=${address}`],
  ['dlq', 'list', `--targetConn=${address}`],
  ['jwt', 'list', `--stagingConn=${address}`],
  [
    'workload',
    'run',
    `--targetConn=${address}`,
    '--seconds=1',
    '--url=http://127.0.0.1:1/a/b',
  ],
];

async function printed(argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommandLine(
    [...argv, ...(argv[0] === 'start' ? ['--logDestination=/dev/null'] : [])],
    {
      env: { REPLICATOR_STACK: '1' },
      signal: AbortSignal.timeout(20_000),
    },
  );
  expect(exitCode).not.toBe(0);
  return `${argv[0]}: ${stdout}\n${stderr}`;
}

test.each(Object.keys(failing))(
  '%s shows no part of it',
  { timeout: timeoutMs },
  async (name) => {
    await using database = await testDatabase();
    const secret = plantedSecret();
    const address = failing[name]!(database.url, secret);
    for (const argv of commandsFor(address, '/nowhere')) {
      expect(tracesOf(await printed(argv), [secret])).toEqual([]);
    }
  },
);

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

test.each([
  ['an error', 'E'],
  ['a warning before an error', 'N'],
  ['bytes of no kind', ''],
])(
  'a server that asks for the password in the clear and sends it back as %s is not repeated',
  { timeout: timeoutMs },
  async (_, type) => {
    await using server = await echoServer((heard, count) => {
      if (count === 0) {
        return message('R', Buffer.from([0, 0, 0, 3]));
      }
      if (type === '' || count > 1) {
        return type === '' && count === 1 ? heard : null;
      }
      const password = heard.subarray(5, -1);
      const field = (name: string, value: Buffer): Buffer =>
        Buffer.concat([Buffer.from(name), value, Buffer.from([0])]);
      const fields = Buffer.concat([
        field('S', Buffer.from('FATAL')),
        field('V', Buffer.from('FATAL')),
        field('C', Buffer.from('28P01')),
        field(
          'M',
          Buffer.concat([
            Buffer.from('password "'),
            password,
            Buffer.from('" (base64 '),
            Buffer.from(password.toString('base64')),
            Buffer.from(') is wrong'),
          ]),
        ),
        field('D', password),
        Buffer.from([0]),
      ]);
      const error = message('E', fields);
      return type === 'N'
        ? Buffer.concat([message('N', fields), error])
        : error;
    });
    const secret = plantedSecret();
    const address = `postgresql://someone:${secret.encoded}@127.0.0.1:${server.port}/shop?sslmode=disable&connect_timeout=2`;
    for (const argv of commandsFor(address, '/nowhere')) {
      expect(tracesOf(await printed(argv), [secret])).toEqual([]);
    }
  },
);
