import mysql from 'mysql2/promise';

import type { MysqlProduct } from '../../test/support/mysql-binaries.ts';
import { TABLE } from '../rows.ts';
import type { BenchTarget } from './target.ts';

const NAME = 'bench_target';

export const CREATE_MYSQL_TABLE = `
  create table ${TABLE} (
    id bigint primary key,
    account bigint not null,
    amount decimal(12, 2) not null,
    created_at datetime(6) not null,
    currency varchar(40) not null,
    state varchar(40) not null
  )`;

const COUNT_RIGHT_ROWS = `
  select count(*) from ${TABLE}
  where account = id * 7
    and amount = (id % 1000000) / 100
    and created_at = '2026-01-02 03:04:05.678901'
    and currency = 'EUR'
    and state = concat('open-', id % 10)`;

export function mysqlTarget(product: MysqlProduct): BenchTarget {
  return {
    async fresh(environment) {
      const url = await environment.freshMysqlDatabase(product, NAME);
      const pool = mysql.createPool({
        uri: url,
        connectionLimit: 2,
        rowsAsArray: true,
        supportBigNumbers: true,
        bigNumberStrings: true,
      });
      const firstColumn = async (
        sql: string,
        values?: readonly unknown[],
      ): Promise<string[]> => {
        const [rows] = await pool.query(sql, values && [...values]);
        return (rows as [string | number][]).map(([value]) => `${value}`);
      };
      await pool.query(CREATE_MYSQL_TABLE);
      return {
        url,
        path: `/${NAME}`,
        visibleIds: async (ids) =>
          ids.length === 0
            ? []
            : await firstColumn(`select id from ${TABLE} where id in (?)`, [
                ids,
              ]),
        countRows: async () => ({
          all: Number((await firstColumn(`select count(*) from ${TABLE}`))[0]),
          right: Number((await firstColumn(COUNT_RIGHT_ROWS))[0]),
        }),
        [Symbol.asyncDispose]: () => pool.end(),
      };
    },
  };
}
