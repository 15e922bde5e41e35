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
import { ReplicatorError } from '../../../failure/failure.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { TableShape } from '../../../target/target.ts';
import type { FeedKeyOrders, OrderTrust } from '../../source.ts';

/** `order[t]`: where in the source's array target key column t stands. */
type Order = readonly number[];

interface TableOrder {
  /** The target's key columns; another key starts from nothing. */
  readonly columns: readonly string[];
  /** Bit s of `possible[t]`: target column t may stand at s in the source. */
  possible: readonly number[];
  proven: Order | null;
  /** Used for deletes before one was proven; several only of several daemons. */
  assumed: readonly Order[];
  /** One of `assumed` that is not durable yet: no staged row relies on it. */
  unsaved: Order | null;
}

/** How an order stands in a staging memo. */
export interface StoredOrder {
  readonly columns: readonly string[];
  readonly possible: readonly number[];
  readonly assumed: readonly Order[];
}

/** How all of them stood in one memo, before there was one a table. */
export interface KeyOrdersMemo {
  readonly tables: Readonly<
    Record<
      string,
      Omit<StoredOrder, 'assumed'> & { readonly assumed: Order | null }
    >
  >;
}

/**
 * The learned orders of one target schema. Whoever owns it stores the
 * `changed` ones before it acknowledges the request that changed them: a
 * forgotten assumption could not be found wrong any more. Several daemons
 * store in the same place and `merge` what they find there:
 *
 *     possible    the intersection: each has seen rows that rule out others
 *     assumed     all of them: whichever is disproved, wrong rows may be gone
 */
export class KeyOrders implements FeedKeyOrders {
  readonly #tables = new Map<string, TableOrder>();
  readonly #changed = new Set<string>();
  #trusted = new Set<string>();
  /** Grows when an assumption is given up that some request was read by. */
  #givenUpCount = 0;

  static fromJSON(memo: KeyOrdersMemo): KeyOrders {
    const orders = new KeyOrders();
    for (const [name, { assumed, ...order }] of Object.entries(memo.tables)) {
      orders.#adopt(name, {
        ...order,
        assumed: assumed === null ? [] : [assumed],
      });
    }
    return orders;
  }

  /** The tables of which something is to be stored. */
  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  /** What is to be stored of a table. */
  stored(tableName: string): StoredOrder | null {
    const order = this.#tables.get(tableName);
    if (order === undefined) {
      return null;
    }
    const { columns, possible, assumed } = order;
    return { columns, possible, assumed };
  }

  /** What `stored` gave is durable. */
  saved(tableName: string, stored: StoredOrder): void {
    const order = this.#tables.get(tableName);
    if (order !== undefined) {
      const { unsaved, possible, assumed } = order;
      if (unsaved && hasOrder(stored.assumed, unsaved)) {
        order.unsaved = null;
      }
      if (possible === stored.possible && assumed === stored.assumed) {
        this.#changed.delete(tableName);
      }
    }
  }

  /** Takes in what is stored, perhaps by another daemon. */
  merge(tableName: string, stored: StoredOrder): void {
    const order = this.#tables.get(tableName);
    if (order === undefined) {
      this.#adopt(tableName, stored);
      return;
    }
    if (order.columns.join('\0') !== stored.columns.join('\0')) {
      return;
    }
    const both = order.possible.map((bits, t) => bits & stored.possible[t]!);
    // Nothing in common: the source's primary key was altered meanwhile.
    if (matchings(both).length > 0) {
      order.possible = both;
    }
    const { unsaved } = order;
    if (
      unsaved !== null &&
      (isExcluded(unsaved, order.possible) ||
        stored.assumed.some((other) => !isSameOrder(other, unsaved)))
    ) {
      this.#giveUp(order);
    }
    order.assumed = [
      ...stored.assumed,
      ...order.assumed.filter((own) => !hasOrder(stored.assumed, own)),
    ];
    this.#conclude(order);
    this.#changed.add(tableName);
  }

  isContradicted(tableName: string): boolean {
    const order = this.#tables.get(tableName);
    return order !== undefined && isContradicted(order);
  }

  /** E1017 where wrong rows may have been deleted already. */
  refuseContradicted(tableName: string): void {
    const order = this.#tables.get(tableName);
    if (order !== undefined) {
      refuseContradiction(tableName, order);
    }
  }

  /** See {@link FeedKeyOrders.takeTrust}. */
  takeTrust(): OrderTrust | null {
    if (this.#trusted.size === 0) {
      return null;
    }
    const tables = this.#trusted;
    this.#trusted = new Set();
    return { tables, givenUpCount: this.#givenUpCount };
  }

  /** Whether what was read on trust would be read in the same way now. */
  stillTrusts({ tables, givenUpCount }: OrderTrust): boolean {
    return (
      givenUpCount === this.#givenUpCount &&
      [...tables].every((name) => !this.isContradicted(name))
    );
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
    refuseContradiction(table.name, order);
    const chosen = order.proven ?? order.assumed[0] ?? guess(order.possible);
    if (
      order.proven === null &&
      source.some((element) => element !== source[0])
    ) {
      this.#trusted.add(table.name);
      if (order.assumed.length === 0) {
        order.assumed = [chosen];
        order.unsaved = chosen;
        this.#changed.add(table.name);
      }
    }
    return chosen.map((at) => source[at]!);
  }

  #learn(table: TableShape, order: TableOrder, possible: readonly number[]) {
    if (possible.some((bits, t) => bits !== order.possible[t])) {
      order.possible = possible;
      this.#changed.add(table.name);
    }
    if (order.unsaved !== null && isExcluded(order.unsaved, possible)) {
      this.#giveUp(order);
    }
    if (this.#conclude(order)) {
      this.#changed.add(table.name);
    }
    refuseContradiction(table.name, order);
  }

  /** Of an assumption that nothing durable relies on. */
  #giveUp(order: TableOrder): void {
    const { unsaved } = order;
    order.assumed = order.assumed.filter((other) => other !== unsaved);
    order.unsaved = null;
    this.#givenUpCount += 1;
  }

  /** True where assumptions were right: nothing hangs on them any more. */
  #conclude(order: TableOrder): boolean {
    order.proven = provenOrder(order);
    if (order.proven === null || order.assumed.length === 0) {
      return false;
    }
    order.assumed = [];
    order.unsaved = null;
    return true;
  }

  #adopt(tableName: string, stored: StoredOrder): void {
    const order: TableOrder = { ...stored, proven: null, unsaved: null };
    order.proven = provenOrder(order);
    this.#tables.set(tableName, order);
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
      assumed: [],
      unsaved: null,
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
  return assumed.some((order) => isExcluded(order, possible));
}

function isExcluded(order: Order, possible: readonly number[]): boolean {
  return order.some((at, t) => !(possible[t]! & (1 << at)));
}

function hasOrder(orders: readonly Order[], wanted: Order): boolean {
  return orders.some((order) => isSameOrder(order, wanted));
}

function isSameOrder(one: Order, other: Order): boolean {
  return one.every((at, t) => at === other[t]);
}

function refuseContradiction(tableName: string, order: TableOrder): void {
  if (isContradicted(order)) {
    throw new ReplicatorError('E1017', {
      detail: `the source lists the key of table ${JSON.stringify(tableName)} in another order than the target (${order.columns.join(', ')}), and earlier deletes were read in the target's order`,
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
