import { TYPES } from 'tedious';
import type { Floor } from '../case.ts';
import { FIRST_ID, TABLE, jsonRows, rowValues } from '../rows.ts';
import { SQLSERVER_COLUMNS } from '../targets/sqlserver.ts';
import { type TdsClient, openTdsClient } from '../tds-client.ts';
import { clockedRows } from './clocked.ts';

type Write = (
  client: TdsClient,
  firstId: number,
  rowCount: number,
) => Promise<void>;

const OPENED = `openjson(@rows) with (
    id bigint '$[0]', account bigint '$[1]', amount decimal(12, 2) '$[2]',
    created_at datetimeoffset(6) '$[3]', currency nvarchar(40) '$[4]',
    state nvarchar(40) '$[5]')`;

/** Rows that are there change, the others come. */
function upsertFrom(rows: string): string {
  return `
  update t set account = s.account, amount = s.amount,
    created_at = s.created_at, currency = s.currency, state = s.state
  from ${TABLE} as t join ${rows} as s on s.id = t.id;
  insert into ${TABLE} (id, account, amount, created_at, currency, state)
  select s.id, s.account, s.amount, s.created_at, s.currency, s.state
  from ${rows} as s
  where not exists (select 1 from ${TABLE} as t where t.id = s.id);`;
}

const byJson: Write = async (client, firstId, rowCount) => {
  await client.queryWithRows(
    `set xact_abort on; begin transaction; ${upsertFrom(OPENED)} commit`,
    jsonRows(firstId, rowCount),
  );
};

const byBulkLoad: Write = async (client, firstId, rowCount) => {
  await client.bulkLoad(
    '#stage',
    (load) => {
      const given = { nullable: false };
      load.addColumn('id', TYPES.BigInt, given);
      load.addColumn('account', TYPES.BigInt, given);
      // tedious would make a double of a decimal: text, cast by the server.
      load.addColumn('amount', TYPES.NVarChar, { ...given, length: 40 });
      load.addColumn('created_at', TYPES.NVarChar, { ...given, length: 40 });
      load.addColumn('currency', TYPES.NVarChar, { ...given, length: 40 });
      load.addColumn('state', TYPES.NVarChar, { ...given, length: 40 });
    },
    rowValues(firstId, rowCount),
  );
  const staged = `(select id, account, cast(amount as decimal(12, 2)) as amount,
      cast(created_at as datetimeoffset(6)) as created_at, currency, state
    from #stage)`;
  await client.query(
    `set xact_abort on; begin transaction; ${upsertFrom(staged)} commit; truncate table #stage`,
  );
};

function sqlServerUpsert(
  name: string,
  write: Write,
  { lanes, rowCount }: { lanes: number; rowCount: number },
): Floor {
  return {
    name: `sqlserver ${name}, ${lanes} connections, ${rowCount} rows`,
    async measure({ environment, seconds }) {
      const url = await environment.freshSqlServerDatabase('bench_floor');
      await using stack = new AsyncDisposableStack();
      const clients: TdsClient[] = [];
      for (let lane = 0; lane < lanes; lane++) {
        const client = stack.use(await openTdsClient(url));
        if (lane === 0) {
          await client.query(`create table ${TABLE} (${SQLSERVER_COLUMNS})`);
        }
        await client.query(
          'create table #stage (id bigint not null, account bigint not null, amount nvarchar(40) not null, created_at nvarchar(40) not null, currency nvarchar(40) not null, state nvarchar(40) not null)',
        );
        clients.push(client);
      }
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async (lane) => {
        const firstId = nextId;
        nextId += rowCount;
        await write(clients[lane]!, firstId, rowCount);
        return rowCount;
      });
    },
  };
}

export const sqlServerUpsertFloors: readonly Floor[] = [
  sqlServerUpsert('OPENJSON', byJson, { lanes: 2, rowCount: 1000 }),
  sqlServerUpsert('OPENJSON', byJson, { lanes: 2, rowCount: 5000 }),
  sqlServerUpsert('INSERT BULK', byBulkLoad, { lanes: 2, rowCount: 5000 }),
];
