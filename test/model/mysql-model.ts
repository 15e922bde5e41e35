import { schemaName } from '../../src/mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { createCheckpointStatement } from '../../src/target/mysql/watermark-statements.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import type { MysqlProduct } from '../support/mysql-binaries.ts';
import {
  type MysqlTestDatabase,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import {
  type ModelDatabase,
  type ModelTarget,
  type Noted,
  type TableRows,
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
    async create(schema, noted) {
      count += 1;
      return await createTables(database, `${database.name}_${count}`, {
        schema,
        noted,
      });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function createTables(
  database: MysqlTestDatabase,
  name: string,
  options: { readonly schema: ModelSchema; readonly noted: Noted },
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
      ...tableStatements(options.schema, { quote: (text) => text, qualified }),
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
  const look = `select (select applied from ${name}.replicator_checkpoint), ${tables.map(rowsOf).join(', ')}`;
  return {
    main,
    others,
    async snapshot() {
      const [row] = await database.query(look);
      const [applied, ...texts] = row!;
      return {
        applied: (applied ?? zeroTimestamp) as Timestamp,
        tables: texts.map((text) => JSON.parse(text ?? '[]') as TableRows),
      };
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
