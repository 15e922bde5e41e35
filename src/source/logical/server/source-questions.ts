/**
 * What is asked of the source while the slot is read, each time in a session
 * of its own: the questions are rare, and an idle session would have to be
 * watched.
 */
import type { PostgresAddress } from '../../../config/address/postgres.ts';
import { openSourceSession } from './source-session.ts';
import type { PartitionRoot } from '../slot-tables.ts';
import { type TypeRow, typesQuery } from '../decode/type-catalog.ts';

export class SourceQuestions {
  readonly #address: PostgresAddress;
  readonly #signal: AbortSignal;

  constructor(address: PostgresAddress, signal: AbortSignal) {
    this.#address = address;
    this.#signal = signal;
  }

  types(oids: readonly number[]): Promise<TypeRow[]> {
    return this.#ask<TypeRow>(typesQuery, [oids]);
  }

  /** The table above a partition; null where it is none. */
  async partitionRoot(oid: number): Promise<PartitionRoot | null> {
    const [root] = await this.#ask<{ table: string; leaves: string[] }>(
      partitionRootQuery,
      [oid],
    );
    return root === undefined
      ? null
      : { table: root.table, leaves: root.leaves.map(Number) };
  }

  /** Whether the source refuses sessions because it is shutting down. */
  async isLeaving(): Promise<boolean> {
    try {
      await this.#ask('select 1', []);
      return false;
    } catch (error) {
      const { cause } = error as { cause?: { code?: unknown } };
      // cannot_connect_now.
      return cause?.code === '57P03';
    }
  }

  async #ask<Row extends object>(
    text: string,
    values: readonly unknown[],
  ): Promise<Row[]> {
    await using session = await openSourceSession(this.#address, this.#signal);
    return await session.query<Row>(text, values);
  }
}

/** A table that is no partition is its own root. */
const partitionRootQuery = `
select c.relname::text as table,
       array(select t.relid::pg_catalog.oid::int8::text
             from pg_partition_tree(c.oid) t where t.isleaf) as leaves
from pg_class c
where c.oid = pg_partition_root($1::int8::oid) and c.oid <> $1::int8::oid`;
