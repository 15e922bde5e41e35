import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/**
 * Runs the statement until it has changed one row: the target may be down, or
 * not have the row yet.
 */
export async function changeRow(url: string, statement: string): Promise<void> {
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rowCount } = await client.query(statement);
      if (rowCount === 1) {
        return;
      }
    } catch {
      // Asked again.
    } finally {
      await client.end().catch(() => {});
    }
    await sleep(50);
  }
}
