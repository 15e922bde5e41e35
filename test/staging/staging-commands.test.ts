import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { Command, CommandIo } from '../../src/cli/command.ts';
import { stagingListCommand } from '../../src/cli/staging/staging-list.ts';
import { stagingPeekCommand } from '../../src/cli/staging/staging-peek.ts';
import { stagingPurgeCommand } from '../../src/cli/staging/staging-purge.ts';
import { stagingRescanCommand } from '../../src/cli/staging/staging-rescan.ts';
import { loadOptions } from '../../src/config/load.ts';
import { ReplicatorError } from '../../src/failure/failure.ts';
import { type JsonText, truncation } from '../../src/mutation/mutation.ts';
import { hasMark } from '../../src/pipeline/feed/table-marks.ts';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import { at, otherSchema, row, schema } from '../contract/staging-place.ts';

interface Outcome {
  readonly exitCode: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

interface Folder extends AsyncDisposable {
  readonly store: StagingStore;
  readonly dataDir: string;
  run(command: Command, ...argv: string[]): Promise<Outcome>;
}

/** A store that a daemon holds open, and commands run beside it. */
async function folder(): Promise<Folder> {
  const parent = await mkdtemp(join(tmpdir(), 'replicator-commands-'));
  const dataDir = join(parent, 'data');
  const store = openSqliteStore({ dataDir, exclusive: true });
  return {
    store,
    dataDir,
    run: (command, ...argv) =>
      runCommand(command, [...argv, '--dataDir', dataDir]),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(parent, { recursive: true });
    },
  };
}

/** `typed` is what a person types; without it there is no terminal. */
async function runCommand(
  command: Command,
  argv: readonly string[],
  typed?: string,
): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr'): NodeJS.WritableStream => {
    const stream = new PassThrough();
    stream.on('data', (chunk: Buffer) => {
      written[name] += chunk.toString();
    });
    return stream;
  };
  const stdin: CommandIo['stdin'] =
    typed === undefined
      ? Readable.from([])
      : Object.assign(Readable.from([typed]), { isTTY: true });
  try {
    const loaded = await loadOptions(command.options, argv, {});
    const exitCode = await command.run(loaded, {
      stdout: sink('stdout'),
      stderr: sink('stderr'),
      stdin,
      signal: new AbortController().signal,
    });
    return { exitCode, ...written };
  } catch (error) {
    if (!(error instanceof ReplicatorError)) {
      throw error;
    }
    return {
      exitCode: error.code,
      ...written,
      stderr: `${written.stderr}${error.line}\n`,
    };
  }
}

async function stageThree(store: StagingStore): Promise<void> {
  await store.append([
    ...encodeEntries(schema, [
      {
        table: 'orders',
        mutations: [
          row(at(0), '1', '{"secret":"12345678901234567890"}'),
          { ...row(at(1), '2'), after: null },
        ],
      },
    ]),
    ...encodeEntries(otherSchema, [
      { table: 'Lines', mutations: [row(at(2), '3')] },
    ]),
  ]);
  await store.resolve(schema, at(9));
  await store.commitApplied(schema, at(0), false);
}

test('an empty store says so', async () => {
  await using here = await folder();
  expect(await here.run(stagingListCommand)).toEqual({
    exitCode: 0,
    stdout: 'Nothing is staged, and no schema has a checkpoint.\n',
    stderr: '',
  });
  const purge = await here.run(stagingPurgeCommand, '--schema', 'a.b', '--yes');
  expect(purge.stdout).toBe('Nothing to purge: no staged entry is selected.\n');
});

test('a folder without a store is one clear line', async () => {
  const outcome = await runCommand(stagingListCommand, [
    '--dataDir',
    '/tmp/no-such-folder',
  ]);
  expect(outcome).toEqual({
    exitCode: 'E2004',
    stdout: '',
    stderr:
      'E2004 there is no staging store at /tmp/no-such-folder/staging.db: check --dataDir; replicator start makes the store\n',
  });
});

test('list shows entries, what is applied, and the checkpoint of each schema', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const { stdout } = await here.run(stagingListCommand);
  expect(stdout).toMatchInlineSnapshot(`
    "SCHEMA                 TABLE   ID            MIN TIME                  HLC                             ROWS  BYTES  APPLIED
    shop."Weird ""name"""  Lines   000000000003  2023-11-14T22:13:22.000Z  1700000002000000000.0000000000     1     56  no
    shop.public            orders  000000000001  2023-11-14T22:13:20.000Z  1700000000000000000.0000000000     1     83  yes
    shop.public            orders  000000000002  2023-11-14T22:13:21.000Z  1700000001000000000.0000000000     1     49  no

    shop."Weird ""name""": 1 entry, 1 row, 56 B
      resolved none
      applied  none
      retired  none
      entries not wholly applied hold 1 row

    shop.public: 2 entries, 2 rows, 132 B
      resolved 2023-11-14T22:13:29.000Z (1700000009000000000.0000000000)
      applied  2023-11-14T22:13:20.000Z (1700000000000000000.0000000000)
      retired  none
      entries not wholly applied hold 1 row
    "
  `);
  const narrow = await here.run(
    stagingListCommand,
    '--schema',
    'shop/public',
    '--limit',
    '1',
  );
  expect(narrow.stdout).toContain(
    'Only the first 1 entry; --limit shows more.',
  );
  expect(narrow.stdout).not.toContain('Lines');
});

test('list --json prints one object', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const { stdout } = await here.run(
    stagingListCommand,
    '--json',
    '--table',
    'orders',
  );
  const printed = JSON.parse(stdout) as {
    entries: { table: string; applied: string }[];
    schemas: { schema: string; unappliedRowCount: number }[];
  };
  expect(printed.entries.map((entry) => [entry.table, entry.applied])).toEqual([
    ['orders', 'yes'],
    ['orders', 'no'],
  ]);
  expect(
    printed.schemas.map((state) => [state.schema, state.unappliedRowCount]),
  ).toEqual([
    [otherSchema, 1],
    [schema, 1],
  ]);
});

test('peek shows no row data unless asked', async () => {
  await using here = await folder();
  await here.store.append(
    encodeEntries(schema, [
      {
        table: 'orders',
        keyColumns: ['id'],
        mutations: [row(at(0), '1', '{"secret":"12345678901234567890"}')],
      },
    ]),
  );
  const [entry] = await here.store.list({ schema }, 1, null);
  const quiet = await here.run(stagingPeekCommand, entry!.id);
  expect(quiet.stdout).toMatchInlineSnapshot(`
    "entry 000000000001 of shop.public, table "orders": 1 row, 89 B
    from 2023-11-14T22:13:20.000Z (1700000000000000000.0000000000)
    to   2023-11-14T22:13:20.000Z (1700000000000000000.0000000000)

    TIME                            OP      KEY    AFTER BYTES  BEFORE BYTES
    1700000000000000000.0000000000  upsert  ["1"]           33             0
    "
  `);
  const open = await here.run(
    stagingPeekCommand,
    String(Number(entry!.id)),
    '--values',
  );
  expect(open.stdout).toContain('after  {"secret":"12345678901234567890"}');
  const json = await here.run(stagingPeekCommand, entry!.id, '--json');
  expect(json.stdout).not.toContain('12345678901234567890');
  expect((JSON.parse(json.stdout) as { rows: object[] }).rows).toEqual([
    {
      time: at(0),
      operation: 'upsert',
      key: '["1"]',
      afterBytes: 33,
      beforeBytes: 0,
    },
  ]);
});

test('peek tells of moves and truncations, and takes the key of a row without one for row data', async () => {
  await using here = await folder();
  await here.store.append(
    encodeEntries(schema, [
      {
        table: 'orders',
        keyColumns: ['id'],
        mutations: [
          truncation(at(0), false),
          { ...row(at(0), '2'), movedFrom: '["1"]' as JsonText },
        ],
      },
      {
        table: 'log',
        keyColumns: [],
        mutations: [truncation(at(0), false), row(at(0), 'secret')],
      },
    ]),
  );
  const staged = await here.store.list({ schema }, 2, null);
  const lines = async (id: string, ...more: string[]): Promise<string[]> => {
    const { stdout } = await here.run(stagingPeekCommand, id, ...more);
    return stdout
      .split('\n')
      .filter((line) => /upsert|truncate|move|from {3}/.test(line));
  };
  const [first, second] = ['orders', 'log'].map((name) =>
    staged.find(({ table }) => table === name)!,
  ) as [(typeof staged)[0], (typeof staged)[0]];
  expect(await lines(first.id)).toEqual([
    expect.stringMatching(/ truncate {2}\[\] /),
    expect.stringMatching(/ move {6}\["1"\] to \["2"\] /),
  ]);
  expect((await lines(first.id, '--values')).at(-1)).toBe('  from   ["1"]');
  expect(await lines(second.id)).toEqual([
    expect.stringMatching(/ truncate {2}\[\] /),
    expect.stringMatching(/ upsert {4}\(the row\) /),
  ]);
  const json = await here.run(stagingPeekCommand, second.id, '--json');
  expect(json.stdout).not.toContain('secret');
  const whole = await here.run(
    stagingPeekCommand,
    second.id,
    '--json',
    '--values',
  );
  expect(whole.stdout).toContain('secret');
});

test('peek says which id it does not know', async () => {
  await using here = await folder();
  expect((await here.run(stagingPeekCommand, '77')).stderr).toMatch(
    /^E5002 no entry has the id "77": /,
  );
  expect((await here.run(stagingPeekCommand)).exitCode).toBe('E5004');
});

test('purge tells what would go and, without a terminal, deletes only with --yes', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const dry = await here.run(
    stagingPurgeCommand,
    '--schema',
    schema,
    '--dry-run',
  );
  expect(dry.stdout).toMatchInlineSnapshot(`
    "2 entries of shop.public: 2 rows, 132 B.
    WARNING: 1 of these entries is NOT APPLIED to the target yet (1 row at most; applied through 2023-11-14T22:13:20.000Z (1700000000000000000.0000000000)). The source believes them delivered: they are lost unless the changefeed is restarted from a cursor before them.
    The checkpoint of the schema in staging is forgotten too. The target keeps its own: rows at or below the watermark there stay dropped when they are sent again. To have them applied again, run this at the target while the daemon is stopped:
      delete from "public".replicator_checkpoint where schema_name = 'shop.public';
    Dry run: nothing was deleted.
    "
  `);
  const refused = await here.run(stagingPurgeCommand, '--schema', schema);
  expect(refused.exitCode).toBe('E5007');
  expect((await here.store.size(schema)).entryCount).toBe(2);
  const done = await here.run(
    stagingPurgeCommand,
    '--schema',
    schema,
    '--through',
    at(0),
    '--yes',
  );
  expect(done).toMatchObject({ exitCode: 0 });
  expect(done.stdout).toContain(
    'All of it is applied to the target.\nDeleted 1 entry, 1 row.\n',
  );
  expect((await here.store.size(schema)).entryCount).toBe(1);
  expect((await here.store.checkpoint(schema)).applied).toBe(at(0));
});

test('purge of a part keeps the checkpoint, and says nothing of the one at the target', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const { stdout } = await here.run(
    stagingPurgeCommand,
    '--schema',
    schema,
    '--table',
    'orders',
    '--dry-run',
  );
  expect(stdout).not.toContain('checkpoint');
});

test.each([
  [
    ['shop', `It's "odd"`],
    `"It's ""odd""".replicator_checkpoint where schema_name = 'shop."It''s ""odd"""';`,
  ],
  [['shop'], "`shop`.replicator_checkpoint where schema_name = 'shop';"],
  [
    ['My-Shop'],
    `\`My-Shop\`.replicator_checkpoint where schema_name = '"My-Shop"';`,
  ],
  [['SHOP'], `"SHOP".replicator_checkpoint where schema_name = '"SHOP"';`],
])(
  'the statement for the target is quoted as its engine wants: %j',
  async (parts, statement) => {
    await using here = await folder();
    const odd = schemaName(parts);
    await here.store.resolve(odd, at(1));
    const { stdout } = await here.run(
      stagingPurgeCommand,
      '--schema',
      odd,
      '--dry-run',
    );
    expect(stdout).toContain(`delete from ${statement}`);
  },
);

test('purge --json prints one object and keeps its words apart', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const { stdout, stderr } = await here.run(
    stagingPurgeCommand,
    '--schema',
    schema,
    '--json',
    '--yes',
  );
  expect(JSON.parse(stdout)).toEqual({
    schema,
    table: null,
    through: null,
    entryCount: 2,
    rowCount: 2,
    byteCount: expect.any(Number) as number,
    unappliedEntryCount: 1,
    unappliedRowCount: 1,
    forgetsCheckpoint: true,
    deleted: true,
  });
  expect(stderr).toContain('NOT APPLIED');
  expect(await here.store.schemas()).toEqual([otherSchema]);
});

test('purge wants a schema and a timestamp that is one', async () => {
  await using here = await folder();
  expect((await here.run(stagingPurgeCommand)).exitCode).toBe('E5004');
  const wrong = await here.run(
    stagingPurgeCommand,
    '--schema',
    'a.b',
    '--through',
    'today',
  );
  expect(wrong.stderr).toMatch(/^E5002 --through "today" is not a timestamp: /);
});

test('purge asks on a terminal and takes only a yes', async () => {
  await using here = await folder();
  await stageThree(here.store);
  const argv = ['--schema', schema, '--dataDir', here.dataDir];
  const refused = await runCommand(stagingPurgeCommand, argv, 'y\n');
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toBe(
    'Delete them for good? Type yes: Nothing was deleted.\n',
  );
  expect((await here.store.size(schema)).entryCount).toBe(2);
  const done = await runCommand(stagingPurgeCommand, argv, 'yes\n');
  expect(done.exitCode).toBe(0);
  expect(done.stdout).toContain('Deleted 2 entries, 2 rows.\n');
  expect((await here.store.size(schema)).entryCount).toBe(0);
});

test('rescan forgets that a table has delivered, after saying so and asking', async () => {
  await using here = await folder();
  const rescan = (table: string, ...more: string[]) => {
    const argv = ['--schema', 'shop/public', '--table', table, ...more];
    return here.run(stagingRescanCommand, ...argv);
  };
  expect((await rescan('')).exitCode).toBe('E5004');
  const unknown = await rescan('orders', '--yes');
  expect([unknown.exitCode, unknown.stdout]).toEqual([
    0,
    expect.stringContaining('Nothing to forget'),
  ]);
  const name = `delivered-tables:${schema}`;
  await here.store.setMemo(name, JSON.stringify({ orders: null }));
  expect((await rescan('orders', '--dry-run')).stdout).toContain('Dry run');
  expect(await rescan('orders')).toMatchObject({ exitCode: 'E5007' });
  expect(await hasMark(here.store, schema, 'orders')).toBe(true);
  const json = await rescan('orders', '--yes', '--json');
  expect(JSON.parse(json.stdout)).toEqual({
    schema: 'shop.public',
    table: 'orders',
    known: true,
    forgotten: true,
  });
  expect(await hasMark(here.store, schema, 'orders')).toBe(false);
});
