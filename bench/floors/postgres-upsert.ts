import type { Floor } from '../case.ts';
import { type LoadShape, USUAL_SHAPE } from '../load-shape.ts';
import { openPool } from '../pool.ts';
import { FIRST_ID, TABLE, columnArrays, createTable } from '../rows.ts';
import { clockedRows } from './clocked.ts';

export const upsertOf = (table: string): string => `
  insert into ${table} (id, account, amount, created_at, currency, state)
  select * from unnest($1::int8[], $2::int8[], $3::numeric[],
    $4::timestamptz[], $5::text[], $6::text[])
  on conflict (id) do update set account = excluded.account,
    amount = excluded.amount, created_at = excluded.created_at,
    currency = excluded.currency, state = excluded.state`;

const noteUpsertOf = (table: string): string => `
  insert into ${table} (id, note)
  select * from unnest($1::int8[], $2::text[])
  on conflict (id) do update set note = excluded.note`;

function postgresUpsert(
  lanes: number,
  rowsPerStatement: number,
  shape: LoadShape,
): Floor {
  return {
    name: `postgres upsert, ${lanes} connections, ${rowsPerStatement} rows a statement`,
    async measure({ environment, seconds }) {
      const url = await environment.freshDatabase('bench_floor');
      await using pool = openPool(url, lanes);
      await pool.query(createTable(TABLE, shape));
      const upsert = shape.rowBytes === null ? upsertOf : noteUpsertOf;
      const text = upsert(TABLE);
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async () => {
        const firstId = nextId;
        nextId += rowsPerStatement;
        const values = columnArrays(firstId, rowsPerStatement, shape);
        await pool.query({ name: 'upsert', text, values });
        return rowsPerStatement;
      });
    },
  };
}

/** Rows that are large go in statements of no more than a few megabytes. */
export function postgresUpsertFloorsOf(shape: LoadShape): readonly Floor[] {
  return (shape.rowBytes ?? 0) < 5000
    ? [
        postgresUpsert(2, 1000, shape),
        postgresUpsert(4, 1000, shape),
        postgresUpsert(3, 4000, shape),
      ]
    : [
        postgresUpsert(2, 100, shape),
        postgresUpsert(4, 100, shape),
        postgresUpsert(3, 400, shape),
      ];
}

export const postgresUpsertFloors = postgresUpsertFloorsOf(USUAL_SHAPE);
