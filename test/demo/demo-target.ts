/** A database of each product that the demo can show, on a server of its own. */
import mysql from 'mysql2/promise';

import { startMysqlServer } from '../support/mysql-server.ts';
import { startPostgresServer } from '../support/postgres-server.ts';

export const demoProducts = ['postgres', 'mysql', 'mariadb'] as const;
export type DemoProduct = (typeof demoProducts)[number];

export const productNames: Readonly<Record<DemoProduct, string>> = {
  postgres: 'PostgreSQL',
  mysql: 'MySQL',
  mariadb: 'MariaDB',
};

export interface DemoTarget extends AsyncDisposable {
  readonly url: string;
  /** Of the webhook. */
  readonly path: string;
  /** What qualifies the tables: a schema, or MySQL's database. */
  readonly schema: string;
  /** As --targetSchema names it. */
  readonly fullSchema: string;
  /** Whoever is connected is cut off. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startDemoTarget(
  product: DemoProduct,
): Promise<DemoTarget> {
  if (product === 'postgres') {
    const server = await startPostgresServer();
    return {
      url: server.url(),
      path: '/postgres/public',
      schema: 'public',
      fullSchema: 'postgres.public',
      stop: () => server.stop('fast'),
      start: () => server.start(),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
  const server = await startMysqlServer({ product });
  const schema = 'demo';
  try {
    const client = await mysql.createConnection(server.url());
    await client.query(`create database ${schema}`);
    await client.end();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    url: server.url(schema),
    path: `/${schema}`,
    schema,
    fullSchema: schema,
    stop: () => server.stop(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
