import { Readable } from 'node:stream';
import mysql from 'mysql2/promise';
import type { MysqlProduct } from '../../test/support/mysql-binaries.ts';
import type { Floor } from '../case.ts';
import { FIRST_ID, TABLE, tabbedLines } from '../rows.ts';
import { CREATE_MYSQL_TABLE } from '../targets/mysql.ts';
import { clockedRows } from './clocked.ts';

/** Without a key: of rows whose keys are known to differ no index is needed. */
const CREATE_STAGE = CREATE_MYSQL_TABLE.replace(
  `create table ${TABLE}`,
  'create temporary table stage',
).replace('primary key', 'not null');

const LOAD = `load data local infile 'rows' into table stage character set utf8mb4`;

/** The rows are new; one that is not would have all of them come again. */
const INSERT = `insert into ${TABLE} select * from stage`;

const UPSERT = `${INSERT}
  on duplicate key update account = stage.account, amount = stage.amount,
    created_at = stage.created_at, currency = stage.currency,
    state = stage.state`;

function mysqlLoad(
  product: MysqlProduct,
  parts: {
    readonly lanes: number;
    readonly rows: number;
    /** Behind the columns of the temporary table. */
    readonly stageOptions: string;
    readonly way: 'upsert' | 'insert';
  },
): Floor {
  const { lanes, rows: rowCount, stageOptions, way } = parts;
  return {
    name: `${product} load into a temporary table, ${way} from it, ${lanes} connections, ${rowCount} rows${stageOptions}`,
    async measure({ environment, seconds }) {
      const url = await environment.freshMysqlDatabase(product, 'bench_floor');
      await using stack = new AsyncDisposableStack();
      const clients: mysql.Connection[] = [];
      for (let lane = 0; lane < lanes; lane++) {
        const client = await mysql.createConnection({ uri: url });
        stack.defer(() => client.end());
        if (lane === 0) await client.query(CREATE_MYSQL_TABLE);
        await client.query(`${CREATE_STAGE}${stageOptions}`);
        clients.push(client);
      }
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async (lane) => {
        const client = clients[lane]!;
        const firstId = nextId;
        nextId += rowCount;
        const lines = tabbedLines(firstId, rowCount);
        await client.query({
          sql: LOAD,
          infileStreamFactory: () => Readable.from([lines]),
        });
        await client.query(way === 'upsert' ? UPSERT : INSERT);
        await client.query('truncate table stage');
        return rowCount;
      });
    },
  };
}

/**
 * `load data … replace` straight into the table is about as fast as the best
 * of these and no upsert: it deletes the row, and columns that are not carried
 * with it.
 */
export function mysqlLoadFloors(product: MysqlProduct): readonly Floor[] {
  const memory = ' engine=memory';
  return [
    mysqlLoad(product, {
      lanes: 2,
      rows: 5000,
      stageOptions: '',
      way: 'upsert',
    }),
    ...(['upsert', 'insert'] as const).flatMap((way) => [
      mysqlLoad(product, { lanes: 2, rows: 5000, stageOptions: memory, way }),
      mysqlLoad(product, { lanes: 2, rows: 20_000, stageOptions: memory, way }),
    ]),
  ];
}
