import type { Floor } from '../case.ts';
import { openPool } from '../pool.ts';
import { CREATE_TABLE, FIRST_ID, TABLE, columnArrays } from '../rows.ts';
import { clockedRows } from './clocked.ts';

const UPSERT = `
  insert into ${TABLE} (id, account, amount, created_at, currency, state)
  select * from unnest($1::int8[], $2::int8[], $3::numeric[],
    $4::timestamptz[], $5::text[], $6::text[])
  on conflict (id) do update set account = excluded.account,
    amount = excluded.amount, created_at = excluded.created_at,
    currency = excluded.currency, state = excluded.state`;

function postgresUpsert(lanes: number, rowsPerStatement: number): Floor {
  return {
    name: `postgres upsert, ${lanes} connections, ${rowsPerStatement} rows a statement`,
    async measure({ environment, seconds }) {
      const url = await environment.freshDatabase('bench_floor');
      await using pool = openPool(url, lanes);
      await pool.query(CREATE_TABLE);
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async () => {
        const firstId = nextId;
        nextId += rowsPerStatement;
        const values = columnArrays(firstId, rowsPerStatement);
        await pool.query({ name: 'upsert', text: UPSERT, values });
        return rowsPerStatement;
      });
    },
  };
}

export const postgresUpsertFloors: readonly Floor[] = [
  postgresUpsert(2, 1000),
  postgresUpsert(4, 1000),
  postgresUpsert(3, 4000),
];
