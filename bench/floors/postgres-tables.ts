/**
 * The same rows as `postgres-upsert.ts`, of many tables: statements of as many
 * rows as come of one table in the time in which one would wait for more, and
 * transactions of about a thousand rows. Every session has met every table
 * before the clock starts.
 */
import type { Floor } from '../case.ts';
import type { LoadShape } from '../load-shape.ts';
import { openPool } from '../pool.ts';
import { FIRST_ID, columnArrays, createTable, tableNames } from '../rows.ts';
import { clockedRows } from './clocked.ts';
import { upsertOf } from './postgres-upsert.ts';

/** A quarter of a second, the resolved interval, at 100 000 rows a second. */
const WINDOW_ROWS = 25_000;
const TRANSACTION_ROWS = 1000;

function postgresTables(lanes: number, shape: LoadShape): Floor {
  const rowsPerStatement = Math.min(
    TRANSACTION_ROWS,
    Math.max(shape.requestRows, Math.floor(WINDOW_ROWS / shape.tables)),
  );
  const statements = Math.floor(TRANSACTION_ROWS / rowsPerStatement);
  return {
    name: `postgres upsert, ${lanes} connections, ${rowsPerStatement} rows a statement, ${statements} a transaction`,
    async measure({ environment, seconds }) {
      const url = await environment.freshDatabase('bench_floor');
      await using pool = openPool(url, lanes);
      const tables = tableNames(shape);
      for (const table of tables) {
        await pool.query(createTable(table, shape));
      }
      let nextId = FIRST_ID;
      const clients = await Promise.all(
        Array.from({ length: lanes }, () => pool.connect()),
      );
      try {
        const write = async (
          lane: number,
          table: string,
          rowCount: number,
        ): Promise<void> => {
          const firstId = nextId;
          nextId += rowCount;
          await clients[lane]!.query({
            name: `upsert-${table}`,
            text: upsertOf(table),
            values: columnArrays(firstId, rowCount, shape),
          });
        };
        await Promise.all(
          clients.map(async (_, lane) => {
            for (const table of tables) await write(lane, table, 1);
          }),
        );
        let statementCount = 0;
        return await clockedRows(lanes, seconds, async (lane) => {
          await clients[lane]!.query('begin');
          for (let index = 0; index < statements; index++) {
            const table = tables[statementCount++ % tables.length]!;
            await write(lane, table, rowsPerStatement);
          }
          await clients[lane]!.query('commit');
          return statements * rowsPerStatement;
        });
      } finally {
        for (const client of clients) client.release();
      }
    },
  };
}

export function postgresTablesFloors(shape: LoadShape): readonly Floor[] {
  return [2, 4].map((lanes) => postgresTables(lanes, shape));
}
