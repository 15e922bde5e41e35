import { type LoadShape, USUAL_SHAPE } from '../load-shape.ts';
import { openPool } from '../pool.ts';
import {
  countRightRows,
  createTable,
  insertKnownRows,
  IS_SENT,
  TABLE,
  tableNames,
  tableOf,
} from '../rows.ts';
import type { BenchTarget } from './target.ts';

const NAME = 'bench_target';

export const postgresTarget = postgresTargetOf(USUAL_SHAPE);

export function postgresTargetOf(shape: LoadShape): BenchTarget {
  return {
    async fresh(environment) {
      const url = await environment.freshDatabase(NAME);
      const pool = openPool(url, 2);
      const tables = tableNames(shape);
      for (const table of tables) {
        await pool.query(createTable(table, shape));
      }
      if (shape.knownRows > 0) {
        await pool.query(insertKnownRows(TABLE, shape));
      }
      const isSent = shape.knownRows > 0 ? IS_SENT : 'true';
      /** Over all tables. */
      const count = async (
        sqlOf: (table: string) => string,
      ): Promise<number> => {
        let sum = 0;
        for (const table of tables) {
          const { rows } = await pool.query<{ n: string }>(sqlOf(table));
          sum += Number(rows[0]?.n);
        }
        return sum;
      };
      return {
        url,
        path: `/${NAME}/public`,
        async visibleIds(ids) {
          const asked = Map.groupBy(ids, (id) => tableOf(Number(id), shape));
          const texts = [...asked.keys()].map(
            (table, index) =>
              `select id from ${table} where id = any($${index + 1}::int8[]) and ${isSent}`,
          );
          if (texts.length === 0) return [];
          const { rows } = await pool.query<{ id: string }>(
            texts.join(' union all '),
            [...asked.values()],
          );
          return rows.map(({ id }) => id);
        },
        countRows: async () => ({
          all: await count(
            (table) => `select count(*) as n from ${table} where ${isSent}`,
          ),
          right: await count((table) => countRightRows(table, shape)),
        }),
        [Symbol.asyncDispose]: () => pool.end(),
      };
    },
  };
}
