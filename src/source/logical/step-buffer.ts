import {
  isTruncation,
  type Mutation,
  rowBytes,
  type TableMutations,
} from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { standsAlone } from '../../target/lone-table.ts';
import type { TableShape } from '../../target/target.ts';
import type { MutationSink, TargetTable } from './decode/row-decoder.ts';

/** How much is joined to one run. */
export interface RunLimits {
  readonly rows: number;
  readonly transactions: number;
}

/** Before it is taken, nobody else has seen it. */
type HeldRow = { -readonly [Field in keyof Mutation]: Mutation[Field] };

/**
 * Mutations of one table under one key; those from `openFrom` on are open. A
 * table whose key or shape changes, which is rare, has a part for each of them.
 */
interface Part {
  readonly table: string;
  readonly shape: TableShape;
  readonly keyColumns: readonly string[] | undefined;
  readonly standsAlone: boolean;
  mutations: HeldRow[];
  openFrom: number;
  /** Behind it, and before what is open, lie the rows of the run. */
  runFrom: number;
  isInRun: boolean;
  /** Whatever is open came as an insert. */
  hasOnlyNew: boolean;
  /**
   * Where the newest version of each row of the run lies, by key. Null while all
   * of them came as inserts: they are looked for once something else comes.
   */
  places: Map<string, number> | null;
}

/**
 * What has been decoded and is not staged yet: whole transactions, and behind
 * them the beginning of the one that is still coming in.
 *
 *     table a   ├── closed ─────── run ─┤├ open ┤
 *     table b   ├─ closed ─┤
 *
 * Neighbouring transactions are joined to a *run*: one transaction, at the time
 * of the last of them. Of a row that several of them change only the newest
 * version is kept. The sequencer would fold them as well, but when all had been
 * written and read: of pgbench's rows half are never staged.
 *
 * Invariant: nobody ever needs to take a run apart. So only rows join it that
 * can stand in no other's way but by their primary key, and one that lacks
 * columns stands beside the version before it.
 */
export class StepBuffer implements MutationSink {
  readonly #limits: RunLimits | null;
  #parts: Part[] = [];
  /** The part that takes the next row of a table. */
  #current = new Map<string, Part>();
  /** Those with rows of the transaction that is coming in. */
  #openParts: Part[] = [];
  #runParts: Part[] = [];
  #sizeBytes = 0;
  #openCount = 0;
  /** What is open may join the run. */
  #mayJoin = true;
  /** Rows of what is open that lack columns. */
  readonly #sparse = new Set<Mutation>();
  #runRowCount = 0;
  #runLength = 0;
  #runTime = '' as Timestamp;

  /** Without limits each transaction stays by itself. */
  constructor(limits: RunLimits | null) {
    this.#limits = limits;
  }

  /** About what the rows take in memory. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Rows of the transaction that is coming in, whether they are staged or not. */
  get openCount(): number {
    return this.#openCount;
  }

  begin(): void {
    this.#openCount = 0;
    this.#mayJoin = this.#limits !== null;
  }

  put(
    table: TargetTable,
    keyColumns: readonly string[] | undefined,
    mutation: Mutation,
    isSparse: boolean,
    isNew = false,
  ): void {
    const part = this.#partOf(table, keyColumns);
    const { mutations } = part;
    if (mutations.length === part.openFrom) {
      this.#openParts.push(part);
      this.#mayJoin &&= part.standsAlone;
      part.hasOnlyNew = true;
    }
    part.hasOnlyNew &&= isNew;
    mutations.push(mutation);
    this.#openCount += 1;
    this.#sizeBytes += rowBytes(mutation);
    if (this.#mayJoin) {
      this.#mayJoin =
        mutation.movedFrom === undefined && !isTruncation(mutation);
      if (isSparse) {
        this.#sparse.add(mutation);
      }
    }
  }

  /** From here on, rows of a table may have other columns than before. */
  separate(): void {
    this.#endRun();
    this.#mayJoin &&= this.#openParts.length === 0;
  }

  /** What was open is a whole transaction now. */
  commit(time: Timestamp): void {
    const limits = this.#limits;
    const rowCount = this.#openCount;
    const joins = limits !== null && this.#mayJoin && rowCount <= limits.rows;
    if (
      !joins ||
      this.#runRowCount + rowCount > limits.rows ||
      this.#runLength >= limits.transactions
    ) {
      this.#endRun();
    }
    for (const part of this.#openParts) {
      if (joins) {
        this.#join(part);
      }
      part.openFrom = part.mutations.length;
    }
    if (joins) {
      this.#runLength += 1;
      this.#runTime = time;
    }
    this.#openParts = [];
    this.#sparse.clear();
  }

  /** Takes what is whole. */
  takeClosed(): TableMutations[] {
    this.#endRun();
    if (this.#openParts.length === 0) {
      return this.#takeAll();
    }
    const taken: TableMutations[] = [];
    const parts = this.#parts;
    this.#clear();
    for (const part of parts) {
      const { table, keyColumns, mutations, openFrom } = part;
      if (openFrom > 0) {
        taken.push(
          tableMutations(table, keyColumns, mutations.slice(0, openFrom)),
        );
      }
      if (openFrom < mutations.length) {
        const open = mutations.slice(openFrom);
        const rest = { ...part, mutations: open, openFrom: 0 };
        this.#parts.push(rest);
        this.#openParts.push(rest);
        this.#current.set(table, rest);
        for (const mutation of open) {
          this.#sizeBytes += rowBytes(mutation);
        }
      }
    }
    return taken;
  }

  /** Takes the open transaction's rows; what is whole must be taken before. */
  takeOpen(): TableMutations[] {
    // The rest of it must have the same time.
    this.#mayJoin = false;
    this.#sparse.clear();
    return this.#takeAll();
  }

  #takeAll(): TableMutations[] {
    const taken = this.#parts.map(({ table, keyColumns, mutations }) =>
      tableMutations(table, keyColumns, mutations),
    );
    this.#clear();
    return taken;
  }

  #clear(): void {
    this.#parts = [];
    this.#openParts = [];
    this.#current = new Map();
    this.#sizeBytes = 0;
  }

  /** Versions that the run has already give way to those that are open. */
  #join(part: Part): void {
    const { mutations, openFrom } = part;
    if (!part.isInRun) {
      part.isInRun = true;
      part.runFrom = openFrom;
      this.#runParts.push(part);
    }
    if (part.hasOnlyNew && part.places === null) {
      this.#runRowCount += mutations.length - openFrom;
      return;
    }
    const places = (part.places ??= placesOf(part));
    let end = openFrom;
    for (let index = openFrom; index < mutations.length; index += 1) {
      const mutation = mutations[index]!;
      const { key } = mutation;
      const place = places.get(key);
      if (place !== undefined && this.#replaces(mutation, mutations[place]!)) {
        this.#sizeBytes -= rowBytes(mutations[place]!);
        mutations[place] = mutation;
      } else {
        places.set(key, end);
        mutations[end] = mutation;
        end += 1;
      }
    }
    mutations.length = end;
    this.#runRowCount += end - openFrom;
  }

  /**
   * A row behind its delete does not: columns that it lacks take their
   * defaults then (fold.ts).
   */
  #replaces(newer: Mutation, older: Mutation): boolean {
    return (
      newer.after === null || (older.after !== null && !this.#sparse.has(newer))
    );
  }

  #endRun(): void {
    if (this.#runLength > 1) {
      for (const { mutations, runFrom, openFrom } of this.#runParts) {
        for (let index = runFrom; index < openFrom; index += 1) {
          mutations[index]!.time = this.#runTime;
        }
      }
    }
    for (const part of this.#runParts) {
      part.isInRun = false;
      part.places = null;
    }
    this.#runParts = [];
    this.#runRowCount = 0;
    this.#runLength = 0;
  }

  #partOf(table: TargetTable, keyColumns: readonly string[] | undefined): Part {
    let part = this.#current.get(table.name);
    if (
      part === undefined ||
      part.shape !== table.shape ||
      !isSameKey(part.keyColumns, keyColumns)
    ) {
      part = {
        table: table.name,
        shape: table.shape,
        keyColumns,
        standsAlone: standsAlone(table.shape),
        mutations: [],
        openFrom: 0,
        runFrom: 0,
        isInRun: false,
        hasOnlyNew: false,
        places: null,
      };
      this.#parts.push(part);
      this.#current.set(table.name, part);
    }
    return part;
  }
}

function placesOf({ mutations, runFrom, openFrom }: Part): Map<string, number> {
  const places = new Map<string, number>();
  for (let index = runFrom; index < openFrom; index += 1) {
    places.set(mutations[index]!.key, index);
  }
  return places;
}

/** Partitions that go into one table each have their own array. */
function isSameKey(
  left: readonly string[] | undefined,
  right: readonly string[] | undefined,
): boolean {
  return (
    left === right ||
    (left !== undefined &&
      right !== undefined &&
      left.length === right.length &&
      left.every((name, index) => name === right[index]))
  );
}

function tableMutations(
  table: string,
  keyColumns: readonly string[] | undefined,
  mutations: readonly Mutation[],
): TableMutations {
  return keyColumns === undefined
    ? { table, mutations }
    : { table, keyColumns, mutations };
}
