import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Floor } from '../case.ts';
import { FIRST_ID, REQUEST_ROWS, bareBytes } from '../rows.ts';
import { clockedRows } from './clocked.ts';

/** One blob a request, so many requests a commit, each commit synced. */
function sqliteBlobs(blobsPerCommit: number): Floor {
  return {
    name: `sqlite, ${blobsPerCommit} blobs a commit`,
    async measure({ environment, seconds }) {
      const folder = await environment.freshFolder();
      const database = new DatabaseSync(join(folder, 'floor.db'));
      database.exec('pragma journal_mode = wal; pragma synchronous = full');
      database.exec('create table log (id integer primary key, body blob)');
      const insert = database.prepare('insert into log (body) values (?)');
      let nextId = FIRST_ID;
      try {
        return await clockedRows(1, seconds, async () => {
          database.exec('begin immediate');
          for (let count = 0; count < blobsPerCommit; count++) {
            insert.run(bareBytes(nextId));
            nextId += REQUEST_ROWS;
          }
          database.exec('commit');
          return blobsPerCommit * REQUEST_ROWS;
        });
      } finally {
        database.close();
      }
    },
  };
}

export const sqliteFloors: readonly Floor[] = [16, 64].map(sqliteBlobs);
