/**
 * A database with a slot, whose changes come decoded: from its schema `source`
 * to its schema `target`.
 */
import pg from 'pg';
import type { Mutation } from '../../../../src/mutation/mutation.ts';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../../../src/mutation/timestamp.ts';
import { CommitClock } from '../../../../src/source/logical/commit-clock.ts';
import {
  messageKinds,
  readBegin,
} from '../../../../src/source/logical/decode/pgoutput.ts';
import {
  RowDecoder,
  type RowDecoderOptions,
} from '../../../../src/source/logical/decode/row-decoder.ts';
import {
  TypeCatalog,
  type TypeRow,
  typesQuery,
} from '../../../../src/source/logical/decode/type-catalog.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import type { SchemaShape, Target } from '../../../../src/target/target.ts';
import type { PostgresServer } from '../../../support/postgres-server.ts';

/** As the slot's own session prints values. */
const sessionSettings = {
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
};

const changeKinds: ReadonlySet<number> = new Set([
  messageKinds.insert,
  messageKinds.update,
  messageKinds.delete,
  messageKinds.truncate,
]);

export interface DecodedChange {
  readonly table: string;
  readonly keyColumns: readonly string[] | undefined;
  readonly mutation: Mutation;
}

export interface DecodedSlot extends AsyncDisposable {
  readonly target: Target;
  readonly decoder: RowDecoder;
  sql(text: string): Promise<void>;
  /** All values as text, row by row. */
  rows(text: string): Promise<(string | null)[][]>;
  /** Reads the target's tables again; before the first changes too. */
  refresh(): Promise<SchemaShape>;
  /** What pgoutput says since the last call of this or of `changes`. */
  messages(streaming?: 'off' | 'on' | 'parallel'): Promise<Buffer[]>;
  /** What has changed since the last call. */
  changes(): Promise<DecodedChange[]>;
}

export async function decodedSlot(
  server: PostgresServer,
  name: string,
  options: Pick<RowDecoderOptions, 'onUnknown'> = {},
): Promise<DecodedSlot> {
  const admin = new pg.Client({ connectionString: server.url() });
  await admin.connect();
  await admin.query(`create database ${name} template template0`);
  await admin.end();
  const url = server.url(name);
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  const sql = async (text: string): Promise<void> => {
    await client.query(text);
  };
  for (const [setting, value] of Object.entries(sessionSettings)) {
    await sql(`set ${setting} = '${value}'`);
  }
  await sql('create schema source');
  await sql('create schema target');
  await sql('create publication changes for tables in schema source');
  await sql(`select pg_create_logical_replication_slot('${name}', 'pgoutput')`);
  const messages = async (streaming = 'off'): Promise<Buffer[]> => {
    const { rows } = await client.query<{ data: Buffer }>(
      `select data from pg_logical_slot_get_binary_changes('${name}', null, null,
        'proto_version', '4', 'publication_names', 'changes', 'messages', 'true',
        'streaming', '${streaming}')`,
    );
    return rows.map(({ data }) => data);
  };
  const target = await openTarget({ url, ...defaultTargetOptions });
  let shape: SchemaShape | null = null;
  const types = new TypeCatalog(async (oids) => {
    const { rows } = await client.query<TypeRow>(typesQuery, [oids]);
    return rows;
  });
  const decoder = new RowDecoder({
    types,
    target({ table: tableName }) {
      const table = shape?.tables.get(tableName);
      return table === undefined ? null : { name: tableName, shape: table };
    },
    ...options,
  });
  return {
    target,
    decoder,
    sql,
    async rows(text) {
      const { rows } = await client.query<(string | null)[]>({
        text,
        rowMode: 'array',
        types: { getTypeParser: () => String },
      });
      return rows;
    },
    async refresh() {
      shape = (await target.introspect(schemaName([name, 'target'])))!;
      decoder.refresh();
      return shape;
    },
    messages,
    async changes() {
      const changes: DecodedChange[] = [];
      const clock = new CommitClock(zeroTimestamp);
      for (const data of await messages()) {
        const kind = data[0]!;
        if (kind === messageKinds.begin) {
          clock.next(readBegin(data).commitMicros);
        } else if (kind === messageKinds.relation) {
          await decoder.relation(data);
        } else if (changeKinds.has(kind)) {
          decoder.change(data, 0, clock.last, {
            put({ name: table }, keyColumns, mutation) {
              changes.push({ table, keyColumns, mutation });
            },
          });
        }
      }
      return changes;
    },
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await sql(`select pg_drop_replication_slot('${name}')`);
      await client.end();
    },
  };
}
