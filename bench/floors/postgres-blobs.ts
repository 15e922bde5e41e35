import type { Floor } from '../case.ts';
import { openPool } from '../pool.ts';
import { FIRST_ID, REQUEST_ROWS, bareBytes } from '../rows.ts';
import { clockedRows } from './clocked.ts';

function postgresBlobs(lanes: number, blobsPerCommit: number): Floor {
  return {
    name: `postgres, ${lanes} connections, ${blobsPerCommit} blobs a commit`,
    async measure({ environment, seconds }) {
      const url = await environment.freshDatabase('bench_floor');
      await using pool = openPool(url, lanes);
      await pool.query(
        'create table log (id bigserial primary key, body bytea)',
      );
      // Compression of values would be the server's dearest part.
      await pool.query('alter table log alter body set storage external');
      const places = Array.from(
        { length: blobsPerCommit },
        (_, index) => `($${index + 1})`,
      );
      const text = `insert into log (body) values ${places.join(',')}`;
      let nextId = FIRST_ID;
      return await clockedRows(lanes, seconds, async () => {
        // Buffers go as binary parameters.
        const values = places.map(() => {
          nextId += REQUEST_ROWS;
          return bareBytes(nextId);
        });
        await pool.query({ name: 'insert', text, values });
        return blobsPerCommit * REQUEST_ROWS;
      });
    },
  };
}

export const postgresBlobFloors: readonly Floor[] = [
  postgresBlobs(1, 16),
  postgresBlobs(2, 16),
  postgresBlobs(4, 16),
];
