import pg from 'pg';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { createCheckpointStatement } from '../../src/target/postgres/watermark-statements.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { testDatabase } from '../support/test-database.ts';
import {
  type ModelDatabase,
  type ModelTarget,
  type Noted,
  type Snapshot,
  tableStatements,
} from './model-database.ts';
import type { ModelSchema, ModelTable } from './random-schema.ts';

export async function postgresModel(): Promise<ModelDatabase> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  const proxy = stack.use(
    await startFaultProxy({ port: Number(new URL(database.url).port) }),
  );
  let count = 0;
  return {
    engine: 'postgres',
    url: proxy.url(database.url),
    stagingUrl: database.url,
    cut: () => proxy.cut(),
    async create(schema, noted) {
      count += 1;
      return await createTables(database, `m${count}`, { schema, noted });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function createTables(
  database: { readonly name: string; readonly url: string },
  name: string,
  options: { readonly schema: ModelSchema; readonly noted: Noted },
): Promise<ModelTarget> {
  const { tables } = options.schema;
  const main = schemaName([database.name, name]);
  const others = tables.some((table) => table.schema === 1)
    ? [schemaName([database.name, `${name}x`])]
    : [];
  const qualified = (table: ModelTable): string =>
    `${name}${table.schema === 1 ? 'x' : ''}.${table.name}`;
  const quote = (text: string): string => `"${text}"`;
  // One session of its own: the reader never waits for anybody.
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    [
      `create schema ${name}`,
      `create schema ${name}x`,
      createCheckpointStatement(main),
      ...tableStatements(options.schema, { quote, qualified }),
    ].join(';'),
  );
  const rowsOf = (table: ModelTable): string =>
    `(select coalesce(json_agg(json_build_array(${table.columns.map(quote).join(', ')})), '[]') from ${qualified(table)})`;
  // One statement sees one snapshot.
  const look = `select (select applied from ${name}.replicator_checkpoint) as applied,
    json_build_array(${tables.map(rowsOf).join(', ')}) as tables`;
  if (options.noted === 'writes') {
    await client.query(writeNotes(name, tables, qualified).join(';'));
  } else if (options.noted === 'commits') {
    await client.query(commitNotes(name, look).join(';'));
  }
  return {
    main,
    others,
    async snapshot() {
      const { rows } = await client.query<{
        applied: Timestamp | null;
        tables: (number | null)[][][];
      }>({ name: 'look', text: look });
      const [row] = rows;
      return { applied: row!.applied ?? zeroTimestamp, tables: row!.tables };
    },
    async writes() {
      const { rows } = await client.query<{ row: string; version: number }>(
        `select "row", version from ${name}x.history order by place`,
      );
      return rows;
    },
    async commits() {
      const { rows } = await client.query<Snapshot>(
        options.noted === 'commits'
          ? `select applied, tables from ${name}x.commits order by place`
          : 'select where false',
      );
      return rows;
    },
    async [Symbol.asyncDispose]() {
      await client.query(
        `set client_min_messages = error; drop schema ${name} cascade; drop schema ${name}x cascade`,
      );
      await client.end();
    },
  };
}

function writeNotes(
  name: string,
  tables: readonly ModelTable[],
  qualified: (table: ModelTable) => string,
): string[] {
  return [
    `create table ${name}x.history (place bigserial primary key, "row" text, version int)`,
    ...tables.flatMap((table) => [
      `create function ${name}x.note_${table.name}() returns trigger language plpgsql as $$ begin
        insert into ${name}x.history ("row", version)
        values (concat_ws(' ', '${table.name}', ${table.key.map((key) => `new.${key}`).join(', ')}), new.ver);
        return null; end $$`,
      `create trigger note after insert or update on ${qualified(table)} for each row execute function ${name}x.note_${table.name}()`,
    ]),
  ];
}

/** At its commit every transaction sees all as it will be behind it. */
function commitNotes(name: string, look: string): string[] {
  return [
    `create table ${name}x.commits (place bigserial primary key, applied text, tables json)`,
    `create function ${name}x.note() returns trigger language plpgsql as $$ begin
      insert into ${name}x.commits (applied, tables) ${look};
      return null; end $$`,
    `create constraint trigger note after update on ${name}.replicator_checkpoint
      deferrable initially deferred for each row execute function ${name}x.note()`,
  ];
}
