import mysql from 'mysql2/promise';

import type { MysqlProduct } from '../support/mysql-binaries.ts';
import { type MysqlServer, startMysqlServer } from '../support/mysql-server.ts';

export interface MysqlTarget extends AsyncDisposable {
  readonly server: MysqlServer;
  readonly url: string;
}

/** A server of its own, to be stopped and killed, with an empty database. */
export async function startMysqlTarget(
  product: MysqlProduct,
): Promise<MysqlTarget> {
  // A kill of the process loses nothing that was only written, not synced.
  const server = await startMysqlServer({ product, fsync: false });
  try {
    const client = await mysql.createConnection(server.url());
    await client.query('create database shop');
    await client.end();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    server,
    url: server.url('shop'),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
