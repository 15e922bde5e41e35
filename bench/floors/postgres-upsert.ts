import type { Floor } from '../case.ts';
import { type LoadShape, USUAL_SHAPE } from '../load-shape.ts';
import { openPool } from '../pool.ts';
import {
  FIRST_ID,
  TABLE,
  columnArrays,
  createTable,
  insertKnownRows,
} from '../rows.ts';
import { clockedRows } from './clocked.ts';

const insertOf = (table: string): string => `
  insert into ${table} (id, account, amount, created_at, currency, state)
  select * from unnest($1::int8[], $2::int8[], $3::numeric[],
    $4::timestamptz[], $5::text[], $6::text[])`;

export const upsertOf = (table: string): string => `${insertOf(table)}
  on conflict (id) do update set account = excluded.account,
    amount = excluded.amount, created_at = excluded.created_at,
    currency = excluded.currency, state = excluded.state`;

const noteInsertOf = (table: string): string => `
  insert into ${table} (id, note)
  select * from unnest($1::int8[], $2::text[])`;

const noteUpsertOf = (table: string): string => `${noteInsertOf(table)}
  on conflict (id) do update set note = excluded.note`;

/**
 * `insert`: the rows are new, and a statement that is refused would come again as
 * an upsert. None is refused here.
 */
type Way = 'upsert' | 'insert';

function postgresRows(
  way: Way,
  lanes: number,
  rowsPerStatement: number,
  shape: LoadShape,
): Floor {
  const texts =
    shape.rowBytes === null
      ? { upsert: upsertOf, insert: insertOf }
      : { upsert: noteUpsertOf, insert: noteInsertOf };
  return {
    name: `postgres ${way}, ${lanes} connections, ${rowsPerStatement} rows a statement`,
    async measure({ environment, seconds }) {
      const url = await environment.freshDatabase('bench_floor');
      await using pool = openPool(url, lanes);
      await pool.query(createTable(TABLE, shape));
      if (shape.knownRows > 0) {
        await pool.query(insertKnownRows(TABLE, shape));
      }
      const text = texts[way](TABLE);
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async () => {
        const firstId = nextId;
        nextId += rowsPerStatement;
        const values = columnArrays(firstId, rowsPerStatement, shape);
        await pool.query({ name: way, text, values });
        return rowsPerStatement;
      });
    },
  };
}

/** Rows that are large go in statements of no more than a few megabytes. */
export function postgresUpsertFloorsOf(shape: LoadShape): readonly Floor[] {
  const few = (shape.rowBytes ?? 0) < 5000 ? 1000 : 100;
  const ways: readonly Way[] =
    shape.knownRows > 0 ? ['upsert'] : ['upsert', 'insert'];
  return ways.flatMap((way) => [
    postgresRows(way, 2, few, shape),
    postgresRows(way, 4, few, shape),
    postgresRows(way, 3, 4 * few, shape),
  ]);
}

export const postgresUpsertFloors = postgresUpsertFloorsOf(USUAL_SHAPE);
