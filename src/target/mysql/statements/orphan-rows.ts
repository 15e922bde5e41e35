/**
 * Rows of a table that refer to rows of the same table which come in another
 * statement: written again when the others are there.
 */
import type { ShapeRows, TableShape } from '../../target.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { isServerError } from '../session/errors.ts';
import { selfReferences } from './statements.ts';
import { rewritten } from './upsert-plan.ts';
import type { RowWork } from './write-rows.ts';

/** The statement alone has been undone; the transaction goes on. */
export function isMissingParent(error: unknown): boolean {
  return isServerError(error) && [1452, 1216].includes(error.errno);
}

export class OrphanRows {
  #waiting: RowWork[] = [];
  #table: TableShape | null = null;
  readonly #keys = new Set<string>();

  async write(
    connection: MysqlConnection,
    rows: ShapeRows,
    work: RowWork,
  ): Promise<void> {
    // No older version of a row is written after a newer one.
    if (
      this.#table !== null &&
      (rows.table !== this.#table ||
        keysOf(rows).some((key) => this.#keys.has(key)))
    ) {
      await this.settle(connection);
    }
    try {
      await work(connection);
    } catch (error) {
      const mayWait =
        isMissingParent(error) &&
        selfReferences(rows.table).length > 0 &&
        // What has been taken out to be written anew is not found twice.
        rewritten(rows).length === 0;
      if (!mayWait) {
        throw error;
      }
      this.#waiting.push(work);
      this.#table = rows.table;
      for (const key of keysOf(rows)) {
        this.#keys.add(key);
      }
    }
  }

  /** Rejects when parents are missing still. */
  async settle(connection: MysqlConnection): Promise<void> {
    let waiting = this.#waiting;
    this.#waiting = [];
    this.#table = null;
    this.#keys.clear();
    while (waiting.length > 0) {
      const orphans: RowWork[] = [];
      let failure: unknown;
      for (const work of waiting) {
        try {
          await work(connection);
        } catch (error) {
          if (!isMissingParent(error)) {
            throw error;
          }
          failure = error;
          orphans.push(work);
        }
      }
      if (orphans.length === waiting.length) {
        throw failure;
      }
      waiting = orphans;
    }
  }
}

function keysOf({ table, columns, values, rowCount }: ShapeRows): string[] {
  const parts = table.primaryKey.map(
    (column) => values.texts[columns.indexOf(column)]!,
  );
  return Array.from({ length: rowCount }, (_, row) =>
    parts.map((part) => part[row]!).join(),
  );
}
