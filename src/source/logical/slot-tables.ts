import { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { resolveTableName } from '../table-names.ts';
import type { TransactionFeed } from '../source.ts';
import type { SourceRelation } from './decode/relations.ts';
import type { TargetTable } from './decode/row-decoder.ts';

export interface PartitionRoot {
  readonly table: string;
  /** OIDs of all its partitions that hold rows. */
  readonly leaves: readonly number[];
}

export interface SlotTablesOptions {
  readonly feed: TransactionFeed;
  /** By schema of the source: where its tables go. */
  readonly schemas: ReadonlyMap<string, SchemaName>;
  /** The name of a table in the feed (pipeline/joined-schemas.ts). */
  tableName(schema: SchemaName, table: string): string;
  readonly onUnknown: 'refuse' | 'ignore';
  /** The table above a partition, by its OID; null where it is none. */
  askPartitionRoot(oid: number): Promise<PartitionRoot | null>;
  /** Told once for each table whose changes are left out. */
  leftOut(relation: SourceRelation, why: string): void;
}

/** A table of the source, and what takes its changes. */
interface Taken {
  readonly oid: number;
  readonly source: string;
  /** Of a partition that goes into the table of its root: the root. */
  readonly whole: string;
  /** The table of the feed. */
  readonly name: string;
  readonly parts: readonly number[];
}

/**
 * Which table of the target a table of the source goes into: the one of the
 * same name in the schema that its own is mapped to, exactly or but for case.
 * A partition that the target does not have goes into the target's table of
 * its root.
 */
export class SlotTables {
  readonly #options: SlotTablesOptions;
  readonly #roots = new Map<number, PartitionRoot | null>();
  readonly #toldOids = new Set<number>();
  /** As it was replicated last, by its OID. */
  readonly #taken = new Map<number, Taken>();
  /** By name in the feed, whose changes it took last. */
  readonly #oids = new Map<string, number>();

  constructor(options: SlotTablesOptions) {
    this.#options = options;
  }

  /** Null: its changes are left out. E6013 where the target lacks it. */
  find(relation: SourceRelation): TargetTable | null {
    const schema = this.#options.schemas.get(relation.schema);
    if (schema === undefined) {
      this.#refuseMoved(relation);
      this.#leaveOut(
        relation,
        'its schema is in neither --sourceSchema nor --schemaMap',
      );
      return null;
    }
    const found = this.#lookUp(relation, schema);
    if (found !== null) {
      const { oid } = relation;
      const { name, parts = [] } = found;
      const source = `${relation.schema}.${relation.table}`;
      const root = found.parts && this.#roots.get(oid);
      const whole = root ? `${relation.schema}.${root.table}` : source;
      const taken = { oid, source, whole, name, parts };
      this.#refuseTwin(taken);
      this.#taken.set(oid, taken);
      this.#oids.set(name, oid);
      return found;
    }
    if (this.#options.onUnknown === 'ignore') {
      this.#leaveOut(
        relation,
        'the target lacks it, and --onUnknown is ignore',
      );
      return null;
    }
    throw new ReplicatorError('E6013', {
      detail: `the target has no table ${schema}.${relation.table} for ${relation.schema}.${relation.table} of the source`,
    });
  }

  /**
   * Looks at both sides once more where the target has no table of its own for
   * it. What was a partition may have been detached since: it is asked again.
   */
  async look(relation: SourceRelation): Promise<void> {
    const schema = this.#options.schemas.get(relation.schema);
    if (schema === undefined || this.knows(relation)) {
      return;
    }
    this.#roots.set(
      relation.oid,
      await this.#options.askPartitionRoot(relation.oid),
    );
    if (this.#lookUp(relation, schema) === null) {
      await this.#options.feed.refreshShape();
    }
  }

  /** Whether `find` needs no look. */
  knows(relation: SourceRelation): boolean {
    const schema = this.#options.schemas.get(relation.schema);
    return (
      schema === undefined || this.#tableNamed(schema, relation.table) !== null
    );
  }

  #lookUp(relation: SourceRelation, schema: SchemaName): TargetTable | null {
    const root = this.#roots.get(relation.oid) ?? null;
    const own = this.#tableNamed(schema, relation.table);
    if (own !== null || root === null) {
      return own;
    }
    const whole = this.#tableNamed(schema, root.table);
    return whole && { ...whole, parts: root.leaves };
  }

  #tableNamed(schema: SchemaName, table: string): TargetTable | null {
    const shape = this.#options.feed.shape();
    const name = resolveTableName(
      shape,
      this.#options.tableName(schema, table),
    );
    return name === null ? null : { name, shape: shape.tables.get(name)! };
  }

  /** What was replicated and has moved out of its schema is not left out. */
  #refuseMoved({ oid, schema, table }: SourceRelation): void {
    const taken = this.#taken.get(oid);
    if (taken !== undefined) {
      throw new ReplicatorError('E6013', {
        detail: `${taken.source} of the source is ${schema}.${table} now, and that schema goes nowhere`,
        remedy: `start again with ${schema} in --sourceSchema or --schemaMap; or, if the table is not to be replicated any more, take it out of the publication and start again`,
      });
    }
  }

  /**
   * The rows of two tables would get mixed up in one: they differ by case
   * alone, or their schemas go into one. Of one name there may be two OIDs (a
   * table that was made anew), and partitions share the table of their root.
   */
  #refuseTwin({ oid, source, whole, name, parts }: Taken): void {
    const other = this.#taken.get(this.#oids.get(name) ?? oid);
    if (
      other === undefined ||
      other.oid === oid ||
      other.name !== name ||
      other.whole === whole ||
      parts.includes(other.oid) ||
      other.parts.includes(oid)
    ) {
      return;
    }
    const remedy =
      other.source.toLowerCase() === source.toLowerCase()
        ? 'create both tables at the target, each with its own spelling'
        : 'let --schemaMap send their schemas into two of the target';
    throw new ReplicatorError('E6013', {
      detail: `the target has one table ${name} for ${other.source} and ${source} of the source`,
      remedy: `${remedy}, or take one of them out of the publication; if the source has only one of them any more, start again`,
    });
  }

  #leaveOut(relation: SourceRelation, why: string): void {
    if (!this.#toldOids.has(relation.oid)) {
      this.#toldOids.add(relation.oid);
      this.#options.leftOut(relation, why);
    }
  }
}
