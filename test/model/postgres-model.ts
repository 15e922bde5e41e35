import pg from 'pg';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { joinedTableName } from '../../src/pipeline/joined-schemas.ts';
import { deadLetterDialect } from '../../src/target/postgres/statements/dead-letter-statements.ts';
import { createCheckpointStatement } from '../../src/target/postgres/statements/watermark-statements.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { testDatabase } from '../support/test-database.ts';
import {
  type CreateOptions,
  limitName,
  type ModelDatabase,
  type ModelTarget,
  type RawSnapshot,
  snapshotOf,
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
    async create(schema, options) {
      count += 1;
      return await createTables(database, `m${count}`, { ...options, schema });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function createTables(
  database: { readonly name: string; readonly url: string },
  name: string,
  options: CreateOptions & { readonly schema: ModelSchema },
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
      deadLetterDialect.createStatement(`${name}.replicator_dlq`),
      ...tableStatements(options.schema, {
        quote,
        qualified,
        limit: options.limit,
      }),
    ].join(';'),
  );
  const rowsOf = (table: ModelTable): string =>
    `(select coalesce(json_agg(json_build_array(${table.columns.map(quote).join(', ')})), '[]') from ${qualified(table)})`;
  // One statement sees one snapshot.
  const look = `select (select applied from ${name}.replicator_checkpoint) as applied,
    json_build_array(${tables.map(rowsOf).join(', ')}) as tables,
    (select coalesce(json_agg(json_build_array(table_name, row_key)), '[]')
      from ${name}.replicator_dlq where superseded_at is null) as letters`;
  const feedName = (place: number): string =>
    tables[place]!.schema === 1
      ? joinedTableName(main, others[0]!, tables[place]!.name)
      : tables[place]!.name;
  if (options.noted === 'writes') {
    await client.query(writeNotes(name, tables, qualified).join(';'));
  } else if (options.noted === 'commits') {
    await client.query(commitNotes(name, look).join(';'));
  }
  return {
    main,
    others,
    feedName,
    async mend() {
      for (const table of tables) {
        await client.query(
          `alter table ${qualified(table)} drop constraint ${limitName(table)}`,
        );
      }
    },
    async snapshot() {
      const { rows } = await client.query<RawSnapshot & pg.QueryResultRow>({
        name: 'look',
        text: look,
      });
      return snapshotOf(options.schema, rows[0]!, feedName);
    },
    async writes() {
      const { rows } = await client.query<{ row: string; version: number }>(
        `select "row", version from ${name}x.history order by place`,
      );
      return rows;
    },
    async commits() {
      const { rows } = await client.query<RawSnapshot & pg.QueryResultRow>(
        options.noted === 'commits'
          ? `select applied, tables, letters from ${name}x.commits order by place`
          : 'select where false',
      );
      return rows.map((row) => snapshotOf(options.schema, row, feedName));
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
    `create table ${name}x.commits (place bigserial primary key, applied text, tables json, letters json)`,
    `create function ${name}x.note() returns trigger language plpgsql as $$ begin
      insert into ${name}x.commits (applied, tables, letters) ${look};
      return null; end $$`,
    `create constraint trigger note after update on ${name}.replicator_checkpoint
      deferrable initially deferred for each row execute function ${name}x.note()`,
  ];
}
