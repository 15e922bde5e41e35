import { TABLE } from '../rows.ts';
import { openTdsClient } from '../tds-client.ts';
import type { BenchTarget } from './target.ts';

const NAME = 'bench_target';

/** As an operator would create them. */
export const SQLSERVER_COLUMNS = `
    id bigint not null primary key,
    account bigint not null,
    amount decimal(12, 2) not null,
    created_at datetimeoffset(6) not null,
    currency nvarchar(40) not null,
    state nvarchar(40) not null`;

const COUNT_RIGHT_ROWS = `
  select cast(count(*) as int) from ${TABLE}
  where account = id * 7
    and amount = cast(id % 1000000 as decimal(12, 2)) / 100
    and created_at = cast('2026-01-02 03:04:05.678901 +00:00' as datetimeoffset(6))
    and currency = 'EUR'
    and state = concat('open-', id % 10)`;

export const sqlServerTarget: BenchTarget = {
  async fresh(environment) {
    const url = await environment.freshSqlServerDatabase(NAME);
    const client = await openTdsClient(url);
    await client.query(`create table ${TABLE} (${SQLSERVER_COLUMNS})`);
    /** One connection: the questions of watcher and case take turns. */
    let turn: Promise<unknown> = Promise.resolve();
    const ask = (sql: string): Promise<unknown[][]> => {
      const answer = turn.then(() => client.query(sql));
      turn = answer.catch(() => {});
      return answer;
    };
    const count = async (sql: string): Promise<number> =>
      Number((await ask(sql))[0]?.[0]);
    return {
      url,
      path: `/${NAME}/dbo`,
      async visibleIds(ids) {
        if (ids.length === 0) return [];
        const rows = await ask(
          `select cast(id as varchar(20)) from ${TABLE} where id in (${ids.join(', ')})`,
        );
        return rows.map(([id]) => `${id as string}`);
      },
      countRows: async () => ({
        all: await count(`select cast(count(*) as int) from ${TABLE}`),
        right: await count(COUNT_RIGHT_ROWS),
      }),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },
};
