/**
 * In which order a source lists the columns of a key.
 *
 * A changefeed's `key` is an array in the order of the *source's* primary
 * key; the target may have the same columns in another order. Rows that
 * carry their key columns by name tell the order; deletes often carry the
 * array alone and need it. An order taken on trust for a delete and later
 * disproved means that wrong rows were deleted: that halts, until a person
 * has looked (E1017).
 */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { TableShape } from '../../target/target.ts';
import type { FeedKeyOrders } from '../source.ts';

/** `order[t]`: where in the source's array target key column t stands. */
type Order = readonly number[];

interface TableOrder {
  /** The target's key columns; another key starts from nothing. */
  readonly columns: readonly string[];
  /** Bit s of `possible[t]`: target column t may stand at s in the source. */
  possible: readonly number[];
  proven: Order | null;
  /** Used for a delete before it was proven. */
  assumed: Order | null;
}

/** How the orders stand in a staging memo. */
export interface KeyOrdersMemo {
  readonly tables: Readonly<
    Record<
      string,
      {
        readonly columns: readonly string[];
        readonly possible: readonly number[];
        readonly assumed: Order | null;
      }
    >
  >;
}

/**
 * The learned orders of one target schema. Whoever owns it stores `toJSON`
 * whenever `revision` has grown, before it acknowledges the request that
 * made it grow: a forgotten assumption could not be found wrong any more.
 */
export class KeyOrders implements FeedKeyOrders {
  readonly #tables = new Map<string, TableOrder>();
  #revision = 0;

  static fromJSON(memo: KeyOrdersMemo): KeyOrders {
    const orders = new KeyOrders();
    for (const [name, { columns, possible, assumed }] of Object.entries(
      memo.tables,
    )) {
      const order = { columns, possible, proven: null, assumed };
      orders.#tables.set(name, { ...order, proven: provenOrder(order) });
    }
    return orders;
  }

  get revision(): number {
    return this.#revision;
  }

  toJSON(): KeyOrdersMemo {
    return {
      tables: Object.fromEntries(
        Array.from(this.#tables, ([name, { columns, possible, assumed }]) => [
          name,
          { columns, possible, assumed },
        ]),
      ),
    };
  }

  /** Starts anew for a table, after a person has mended it. */
  forget(tableName: string): void {
    if (this.#tables.delete(tableName)) {
      this.#revision += 1;
    }
  }

  /** Whether `arrange` knows the order, or any order would do. */
  isProven(table: TableShape): boolean {
    return table.primaryKey.length < 2 || this.#order(table).proven !== null;
  }

  /**
   * Learns from a row that carries its key twice: as the source's array and
   * by name. Elements are canonical, `target` in the target's order. Throws
   * E1017 where no order makes them equal.
   */
  observe(
    table: TableShape,
    source: readonly string[],
    target: readonly string[],
  ): void {
    const order = this.#order(table);
    const { proven } = order;
    if (proven !== null && proven.every((at, t) => source[at] === target[t])) {
      return;
    }
    const seen = target.map((value) =>
      source.reduce(
        (bits, element, at) => (element === value ? bits | (1 << at) : bits),
        0,
      ),
    );
    if (matchings(seen).length === 0) {
      throw new ReplicatorError('E1017', {
        detail: `a row of table ${JSON.stringify(table.name)} has a key that differs from its key columns (${order.columns.join(', ')})`,
      });
    }
    const both = seen.map((bits, t) => bits & order.possible[t]!);
    // Nothing left: the source's primary key was altered meanwhile.
    this.#learn(table, order, matchings(both).length === 0 ? seen : both);
  }

  /** The source says it outright (`source.primary_keys`), by target position. */
  declare(table: TableShape, sourcePositions: Order): void {
    const order = this.#order(table);
    const { proven } = order;
    if (proven === null || proven.some((at, t) => at !== sourcePositions[t])) {
      const possible = sourcePositions.map((at) => 1 << at);
      this.#learn(table, order, possible);
    }
  }

  /** The elements of a source's array in the order of the target's key. */
  arrange(table: TableShape, source: readonly JsonText[]): JsonText[] {
    if (source.length < 2) {
      return [...source];
    }
    const order = this.#order(table);
    refuseContradiction(table, order);
    const chosen = order.proven ?? guess(order.possible);
    if (
      order.proven === null &&
      order.assumed === null &&
      source.some((element) => element !== source[0])
    ) {
      order.assumed = chosen;
      this.#revision += 1;
    }
    return chosen.map((at) => source[at]!);
  }

  #learn(table: TableShape, order: TableOrder, possible: readonly number[]) {
    if (possible.some((bits, t) => bits !== order.possible[t])) {
      order.possible = possible;
      this.#revision += 1;
    }
    order.proven = provenOrder(order);
    refuseContradiction(table, order);
    if (order.proven !== null && order.assumed !== null) {
      // The assumption was right: nothing hangs on it any more.
      order.assumed = null;
      this.#revision += 1;
    }
  }

  #order(table: TableShape): TableOrder {
    const known = this.#tables.get(table.name);
    const { primaryKey } = table;
    if (
      known !== undefined &&
      known.columns.length === primaryKey.length &&
      known.columns.every((name, t) => name === primaryKey[t]!.name)
    ) {
      return known;
    }
    const any = (2 ** primaryKey.length - 1) | 0;
    const order: TableOrder = {
      columns: primaryKey.map(({ name }) => name),
      possible: primaryKey.map(() => any),
      proven: primaryKey.length === 1 ? [0] : null,
      assumed: null,
    };
    this.#tables.set(table.name, order);
    return order;
  }
}

/** The only order left; none while it contradicts an assumed one. */
function provenOrder(order: TableOrder): Order | null {
  const found = matchings(order.possible);
  return found.length === 1 && !isContradicted(order) ? found[0]! : null;
}

function isContradicted({ assumed, possible }: TableOrder): boolean {
  return (
    assumed !== null && assumed.some((at, t) => !(possible[t]! & (1 << at)))
  );
}

function refuseContradiction(table: TableShape, order: TableOrder): void {
  if (isContradicted(order)) {
    throw new ReplicatorError('E1017', {
      detail: `the source lists the key of table ${JSON.stringify(table.name)} in another order than the target (${order.columns.join(', ')}), and earlier deletes were read in the target's order`,
      remedy:
        "give the target's primary key the column order of the source's, then load the table again (initial_scan='only')",
    });
  }
}

/** The target's own order where nothing speaks against it. */
function guess(possible: readonly number[]): Order {
  return possible.every((bits, t) => bits & (1 << t))
    ? possible.map((_, t) => t)
    : matchings(possible)[0]!;
}

/** Up to two ways to give each target column a source position of its own. */
function matchings(possible: readonly number[]): Order[] {
  const found: Order[] = [];
  const chosen: number[] = [];
  const choose = (taken: number): void => {
    if (chosen.length === possible.length) {
      found.push([...chosen]);
      return;
    }
    let bits = possible[chosen.length]! & ~taken;
    while (bits !== 0 && found.length < 2) {
      const bit = bits & -bits;
      chosen.push(31 - Math.clz32(bit));
      choose(taken | bit);
      chosen.pop();
      bits ^= bit;
    }
  };
  choose(0);
  return found;
}
