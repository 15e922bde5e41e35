import type { TableMutations } from '../../src/mutation/mutation.ts';
import { type SchemaName, schemaName } from '../../src/mutation/schema-name.ts';
import type { Timestamp } from '../../src/mutation/timestamp.ts';
import { KeyOrders } from '../../src/source/changefeed/decode/key-order.ts';
import type { Feed, Feeds } from '../../src/source/source.ts';
import type {
  ColumnShape,
  SchemaShape,
  TableShape,
} from '../../src/target/target.ts';

/** A feed that keeps what it is handed: the far side of a source under test. */
export class RecordingFeed implements Feed {
  readonly schema: SchemaName;
  readonly keyOrders = new KeyOrders();
  readonly accepted: (readonly TableMutations[])[] = [];
  readonly resolved: Timestamp[] = [];
  #shape: SchemaShape;
  /** What the next look at the catalog finds. */
  nextShape: SchemaShape;
  /** Awaited by `accept` before it records. */
  gate: Promise<void> = Promise.resolve();

  constructor(shape: SchemaShape) {
    this.schema = shape.name;
    this.#shape = shape;
    this.nextShape = shape;
  }

  shape(): SchemaShape {
    return this.#shape;
  }

  async refreshShape(): Promise<SchemaShape> {
    this.#shape = this.nextShape;
    return this.#shape;
  }

  async confirmOrders(): Promise<boolean> {
    return true;
  }

  async accept(tables: readonly TableMutations[]): Promise<void> {
    await this.gate;
    this.accepted.push(tables);
  }

  async resolve(time: Timestamp): Promise<void> {
    this.resolved.push(time);
  }

  get rowCount(): number {
    return this.accepted
      .flat()
      .reduce((sum, { mutations }) => sum + mutations.length, 0);
  }
}

export function feedsOf(...feeds: RecordingFeed[]): Feeds {
  return {
    open: async (schema) =>
      feeds.find((feed) => feed.schema === schema) ?? null,
  };
}

/** A shape of plain tables: `{ account: ['id', 'name'] }`, the first is the key. */
export function plainShape(
  tables: Readonly<Record<string, readonly string[]>>,
  name: SchemaName = schemaName(['db', 'public']),
): SchemaShape {
  return {
    name,
    tables: new Map(
      Object.entries(tables).map(([table, columns]) => [
        table,
        plainTable(name, table, columns),
      ]),
    ),
  };
}

function plainTable(
  schema: SchemaName,
  name: string,
  columnNames: readonly string[],
): TableShape {
  const columns = columnNames.map((column, index): ColumnShape => ({
    name: column,
    type: 'pg_catalog.text',
    codec: { kind: 'scalar' },
    keyOrdinal: index === 0 ? 0 : null,
    nullable: index > 0,
    hasDefault: false,
    generated: false,
    identity: null,
  }));
  return {
    schema,
    name,
    columns,
    columnByName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: columns.slice(0, 1),
    keyDeferrable: false,
    hasInheritors: false,
    uniqueKeys: [],
    foreignKeys: [],
    fingerprint: `${name}(${columnNames.join(',')})`,
  };
}
