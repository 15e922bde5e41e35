/** All that a daemon and its commands do with names, in tables of hostile ones. */
import { expect } from 'vitest';
import { runCommandLine } from '../support/captured-io.ts';
import { startDaemon } from '../support/daemon.ts';
import { numbered } from '../support/hostile-names.ts';
import { until } from './arena.ts';
import { HandFeed } from './hand-feed.ts';

export interface HostileWorld {
  readonly names: readonly string[];
  /** The same for two names that cannot stand side by side in a table. */
  readonly identityOf: (name: string) => string;
  readonly quote: (name: string) => string;
  /** With the schema's name, quoted. */
  readonly tableName: (name: string) => string;
  readonly integer: string;
  readonly text: string;
  readonly sql: (text: string) => Promise<unknown>;
  /** Values as text. */
  rows(text: string): Promise<(string | null)[][]>;
  /** Gives the account of `args` what is printed for it. */
  grant(): Promise<void>;
  /** Of start and the commands: addresses, as the account that was granted. */
  readonly targetConn: string;
  readonly stagingArgs: readonly string[];
  /** Of the webhook, percent-encoded. */
  readonly path: string;
}

interface HostileTable {
  readonly name: string;
  readonly key: string;
  readonly unique: string;
  readonly value: string;
  readonly check: string;
}

function tablesOf({ names, identityOf }: HostileWorld): HostileTable[] {
  return names.map((name, index) => {
    const columns: string[] = [];
    for (let offset = 3; columns.length < 3; offset += 5) {
      const column = names[(index + offset) % names.length]!;
      if (!columns.some((other) => identityOf(other) === identityOf(column))) {
        columns.push(column);
      }
    }
    const [key, unique, value] = columns as [string, string, string];
    return { name, key, unique, value, check: numbered(name, index + 1) };
  });
}

export async function expectOnlyNames(world: HostileWorld): Promise<void> {
  const { quote, tableName, integer, text, sql } = world;
  const tables = tablesOf(world);
  await sql(
    `create table ${tableName('bystander')} (id ${integer} primary key)`,
  );
  await sql(`insert into ${tableName('bystander')} values (1)`);
  for (const [index, each] of tables.entries()) {
    const unique = quote(numbered(each.name, index + 201));
    await sql(
      `create table ${tableName(each.name)} (${quote(each.key)} ${integer} not null,
        ${quote(each.unique)} ${text} not null, ${quote(each.value)} ${text},
        constraint ${quote(numbered(each.name, index + 101))} primary key (${quote(each.key)}),
        constraint ${unique} unique (${quote(each.unique)}),
        constraint ${quote(each.check)} check (${quote(each.value)} <> 'bad'))`,
    );
  }
  await world.grant();
  await using daemon = await startDaemon({
    args: [
      '--disableAuthentication',
      `--targetConn=${world.targetConn}`,
      '--onRowError=deadLetter',
      // The times are of a past that is long retired.
      '--retireOffset=200000h',
      ...world.stagingArgs,
    ],
  });
  using feed = new HandFeed(`${daemon.url}${world.path}`);
  const row = (
    { name, key, unique, value }: HostileTable,
    [id, at, u, v]: readonly [number, number, string | null, string],
  ) => ({
    topic: name,
    key: [id],
    // Of any name an own property, __proto__ too.
    after:
      u === null
        ? null
        : (Object.fromEntries([
            [key, id],
            [unique, u],
            [value, v],
          ]) as object),
    at,
  });
  for (const each of tables) {
    const answer = await feed.rows(
      row(each, [1, 1, 'a', 'x']),
      row(each, [2, 1, 'b', 'x']),
      row(each, [3, 1, 'c', 'x']),
      row(each, [1, 2, 'b', each.name]),
      row(each, [2, 2, 'a', each.name]),
      row(each, [3, 3, null, '']),
      row(each, [4, 3, 'd', 'bad']),
    );
    expect(answer.status, JSON.stringify(each.name)).toBe(200);
  }
  await feed.resolved(4);
  const valuesOf = ({ name, key, unique, value }: HostileTable) =>
    world.rows(
      `select ${quote(key)} as c1, ${quote(unique)} as c2, ${quote(value)} as c3 from ${tableName(name)} order by 1`,
    );
  for (const each of tables) {
    const expected = JSON.stringify([
      ['1', 'b', each.name],
      ['2', 'a', each.name],
    ]);
    await until(
      `the rows of ${JSON.stringify(each.name)} are there`,
      async () => JSON.stringify(await valuesOf(each)) === expected,
      60_000,
    );
  }
  const all = tables.map(({ name }) => name).toSorted();
  expect(await metricTables(daemon.metricsUrl)).toEqual(all);
  await expectListed(world, all);

  for (const { name, check } of tables) {
    await sql(`alter table ${tableName(name)} drop constraint ${quote(check)}`);
  }
  const retried = await dlq(world, 'retry');
  expect(retried).toMatchObject({ exitCode: 0, stderr: '' });
  for (const each of tables) {
    expect((await valuesOf(each)).slice(2)).toEqual([['4', 'd', 'bad']]);
  }
  expect(await world.rows(`select id from ${tableName('bystander')}`)).toEqual([
    ['1'],
  ]);
  daemon.kill('SIGTERM');
  expect(await daemon.exited).toBe(0);
}

function dlq(world: HostileWorld, ...words: string[]) {
  return runCommandLine([
    'dlq',
    ...words,
    `--targetConn=${world.targetConn}`,
    ...(world.path === '' ? [] : [`--schema=${decodedPath(world.path)}`]),
  ]);
}

/** As `--schema` takes it. */
function decodedPath(path: string): string {
  return path
    .slice(1)
    .split('/')
    .map((part) => `"${decodeURIComponent(part).replaceAll('"', '""')}"`)
    .join('.');
}

/** Every line is of the exposition format; the tables that rows were counted for. */
async function metricTables(metricsUrl: string): Promise<string[]> {
  const page = await (await fetch(`${metricsUrl}/_/varz`)).text();
  const label = String.raw`[a-zA-Z_]+="(?:[^"\\\n]|\\[\\"n])*"`;
  const line = new RegExp(
    String.raw`^(?:|#.*|[a-zA-Z_:0-9]+(?:\{${label}(?:,${label})*\})? \S+)$`,
  );
  const tables = new Set<string>();
  for (const text of page.trimEnd().split('\n')) {
    expect(text).toMatch(line);
    const [, name] = /[{,]table="((?:[^"\\]|\\.)*)"/.exec(text) ?? [];
    if (name !== undefined) {
      tables.add(
        name.replace(/\\(.)/g, (_, sign: string) =>
          sign === 'n' ? '\n' : sign,
        ),
      );
    }
  }
  return [...tables].toSorted();
}

async function expectListed(
  world: HostileWorld,
  all: readonly string[],
): Promise<void> {
  const letters = await dlq(world, 'list', '--json', '--limit=1000');
  expect(letters).toMatchObject({ exitCode: 0, stderr: '' });
  expect(tablesIn(letters.stdout, 'letters')).toEqual(all);
  for (const table of all.slice(0, 5)) {
    const one = await dlq(world, 'list', '--json', `--table=${table}`);
    expect(tablesIn(one.stdout, 'letters')).toEqual([table]);
  }
  // For people: no name breaks a line or colours the terminal.
  const plain = await dlq(world, 'list');
  expect(plain.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);

  const staged = await runCommandLine([
    'staging',
    'list',
    '--json',
    '--limit=1000',
    ...world.stagingArgs.filter((arg) => !/Create/.test(arg)),
  ]);
  expect(staged).toMatchObject({ exitCode: 0, stderr: '' });
  expect(tablesIn(staged.stdout, 'entries')).toEqual(all);
  const { entries } = JSON.parse(staged.stdout) as {
    entries: { id: string }[];
  };
  for (const entry of entries.slice(0, 8)) {
    const peeked = await runCommandLine([
      'staging',
      'peek',
      entry.id,
      ...world.stagingArgs.filter((arg) => !/Create/.test(arg)),
    ]);
    expect(peeked).toMatchObject({ exitCode: 0, stderr: '' });
  }
}

function tablesIn(json: string, name: 'letters' | 'entries'): string[] {
  const listed = JSON.parse(json) as Record<string, { table: string }[]>;
  return [...new Set(listed[name]!.map(({ table }) => table))].toSorted();
}
