import {
  type Mutation,
  rowBytes,
  type TableMutations,
} from '../../mutation/mutation.ts';
import type { MutationSink, TargetTable } from './decode/row-decoder.ts';

/**
 * Mutations of one table under one key; those from `openFrom` on are open. A
 * table whose key changes, which is rare, has a part for each of its keys.
 */
interface Part {
  readonly table: string;
  readonly keyColumns: readonly string[] | undefined;
  mutations: Mutation[];
  openFrom: number;
}

/**
 * What has been decoded and is not staged yet: whole transactions, and behind
 * them the beginning of the one that is still coming in.
 *
 *     table a   ├── closed ──┤├ open ┤
 *     table b   ├─ closed ─┤
 */
export class StepBuffer implements MutationSink {
  #parts: Part[] = [];
  /** The part that takes the next row of a table. */
  #current = new Map<string, Part>();
  #sizeBytes = 0;
  #isOpen = false;
  #openCount = 0;

  /** About what the rows take in memory. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Rows of the transaction that is coming in, whether they are staged or not. */
  get openCount(): number {
    return this.#openCount;
  }

  begin(): void {
    this.#isOpen = true;
    this.#openCount = 0;
    for (const part of this.#parts) {
      part.openFrom = part.mutations.length;
    }
  }

  put(
    table: TargetTable,
    keyColumns: readonly string[] | undefined,
    mutation: Mutation,
  ): void {
    const part = this.#partOf(table.name, keyColumns);
    part.mutations.push(mutation);
    this.#openCount += 1;
    this.#sizeBytes += rowBytes(mutation);
  }

  /** What was open belongs to the whole transactions now. */
  commit(): void {
    this.#isOpen = false;
  }

  /** Takes what is whole. */
  takeClosed(): TableMutations[] {
    if (!this.#isOpen) {
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
    this.#current = new Map();
    this.#sizeBytes = 0;
  }

  #partOf(table: string, keyColumns: readonly string[] | undefined): Part {
    let part = this.#current.get(table);
    if (part === undefined || !isSameKey(part.keyColumns, keyColumns)) {
      part = { table, keyColumns, mutations: [], openFrom: 0 };
      this.#parts.push(part);
      this.#current.set(table, part);
    }
    return part;
  }
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
