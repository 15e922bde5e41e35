import { schemaName } from '../../src/mutation/schema-name.ts';
import { joinedTableName } from '../../src/pipeline/joined-schemas.ts';
import { deadLetterDialect } from '../../src/target/mysql/statements/dead-letter-statements.ts';
import { createCheckpointStatement } from '../../src/target/mysql/statements/watermark-statements.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import type { MysqlProduct } from '../support/mysql-binaries.ts';
import {
  type MysqlTestDatabase,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
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

export async function mysqlModel(
  product: MysqlProduct,
): Promise<ModelDatabase> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testMysqlDatabase(product));
  const { port } = new URL(database.url);
  const proxy = stack.use(
    await startFaultProxy({ port: port === '' ? 3306 : Number(port) }),
  );
  let count = 0;
  return {
    engine: product,
    url: proxy.url(database.url),
    stagingUrl: null,
    cut: () => proxy.cut(),
    async create(schema, options) {
      count += 1;
      return await createTables(database, `${database.name}_${count}`, {
        ...options,
        schema,
      });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function createTables(
  database: MysqlTestDatabase,
  name: string,
  options: CreateOptions & { readonly schema: ModelSchema },
): Promise<ModelTarget> {
  const { tables } = options.schema;
  const main = schemaName([name]);
  const others = tables.some((table) => table.schema === 1)
    ? [schemaName([`${name}x`])]
    : [];
  const qualified = (table: ModelTable): string =>
    `${name}${table.schema === 1 ? 'x' : ''}.${table.name}`;
  await database.sql(
    [
      `create database ${name}`,
      `create database ${name}x`,
      createCheckpointStatement(main),
      deadLetterDialect.createStatement(`${name}.replicator_dlq`),
      ...tableStatements(options.schema, {
        quote: (text) => text,
        qualified,
        limit: options.limit,
      }),
    ].join(';'),
  );
  for (const statement of options.noted === 'writes'
    ? historyStatements(name, tables, qualified)
    : []) {
    await database.query(statement);
  }
  const rowsOf = (table: ModelTable): string =>
    `(select json_arrayagg(json_array(${table.columns.join(', ')})) from ${qualified(table)})`;
  // One statement sees one snapshot.
  const look = `select (select applied from ${name}.replicator_checkpoint), ${tables.map(rowsOf).join(', ')},
    (select json_arrayagg(json_array(table_name, row_key)) from ${name}.replicator_dlq where superseded_at is null)`;
  const feedName = (place: number): string =>
    tables[place]!.schema === 1
      ? joinedTableName(main, others[0]!, tables[place]!.name)
      : tables[place]!.name;
  return {
    main,
    others,
    feedName,
    async mend() {
      for (const table of tables) {
        await database.query(
          `alter table ${qualified(table)} drop constraint ${limitName(table)}`,
        );
      }
    },
    async snapshot() {
      const [row] = await database.query(look);
      const [applied, ...texts] = row!;
      const parsed = texts.map((text) => JSON.parse(text ?? '[]') as unknown);
      const raw = {
        applied,
        tables: parsed.slice(0, -1),
        letters: parsed.at(-1),
      } as RawSnapshot;
      return snapshotOf(options.schema, raw, feedName);
    },
    async writes() {
      const rows = await database.query(
        `select row_name, version from ${name}x.history order by place`,
      );
      return rows.map(([row, version]) => ({
        row: row!,
        version: Number(version),
      }));
    },
    commits: () => Promise.resolve([]),
    async [Symbol.asyncDispose]() {
      await database.sql(
        `set foreign_key_checks = 0; drop database ${name}; drop database ${name}x; set foreign_key_checks = 1`,
      );
    },
  };
}

function historyStatements(
  name: string,
  tables: readonly ModelTable[],
  qualified: (table: ModelTable) => string,
): string[] {
  const note = (table: ModelTable, event: string): string =>
    `create trigger ${qualified(table)}_${event} after ${event} on ${qualified(table)} for each row
      insert into ${name}x.history (row_name, version)
      values (concat_ws(' ', '${table.name}', ${table.key.map((key) => `new.${key}`).join(', ')}), new.ver)`;
  return [
    `create table ${name}x.history (place bigint auto_increment primary key, row_name varchar(100), version int)`,
    ...tables.flatMap((table) => [
      note(table, 'insert'),
      note(table, 'update'),
    ]),
  ];
}
