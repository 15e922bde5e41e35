import pg from 'pg';
import { expect } from 'vitest';

export interface TableLock extends AsyncDisposable {
  /** Resolves when somebody waits to write to the table. */
  isWaitedFor(): Promise<void>;
}

/** Nobody writes to the table until it is disposed. */
export async function lockTable(
  url: string,
  table: string,
): Promise<TableLock> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`begin; lock table ${table} in exclusive mode`);
  return {
    async isWaitedFor() {
      await expect
        .poll(async () => {
          const { rows } = await client.query(
            `select from pg_locks where relation = $1::regclass and not granted`,
            [table],
          );
          return rows.length;
        })
        .toBeGreaterThan(0);
    },
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}
