import { openPool } from '../pool.ts';
import { COUNT_RIGHT_ROWS, CREATE_TABLE, TABLE } from '../rows.ts';
import type { BenchTarget } from './target.ts';

const NAME = 'bench_target';

export const postgresTarget: BenchTarget = {
  async fresh(environment) {
    const url = await environment.freshDatabase(NAME);
    const pool = openPool(url, 2);
    await pool.query(CREATE_TABLE);
    const count = async (sql: string): Promise<number> => {
      const { rows } = await pool.query<{ n: string }>(sql);
      return Number(rows[0]?.n);
    };
    return {
      url,
      path: `/${NAME}/public`,
      async visibleIds(ids) {
        const { rows } = await pool.query<{ id: string }>(
          `select id from ${TABLE} where id = any($1::int8[])`,
          [ids],
        );
        return rows.map(({ id }) => id);
      },
      countRows: async () => ({
        all: await count(`select count(*) as n from ${TABLE}`),
        right: await count(COUNT_RIGHT_ROWS),
      }),
      [Symbol.asyncDispose]: () => pool.end(),
    };
  },
};
