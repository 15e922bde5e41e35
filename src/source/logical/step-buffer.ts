import {
  type Mutation,
  type TableMutations,
  textLengthOf,
} from '../../mutation/mutation.ts';
import type { MutationSink, TargetTable } from './row-decoder.ts';

/** Mutations of one table under one key; those from `openFrom` on are open. */
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
  #parts = new Map<string, Part>();
  #last: Part | null = null;
  #textLength = 0;
  #isOpen = false;
  #openCount = 0;

  /** Characters of all rows held. */
  get textLength(): number {
    return this.#textLength;
  }

  /** Rows of the transaction that is coming in, whether they are staged or not. */
  get openCount(): number {
    return this.#openCount;
  }

  begin(): void {
    this.#isOpen = true;
    this.#openCount = 0;
    for (const part of this.#parts.values()) {
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
    this.#textLength += textLengthOf(mutation);
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
    for (const [name, part] of parts) {
      const { table, keyColumns, mutations, openFrom } = part;
      if (openFrom > 0) {
        taken.push(
          tableMutations(table, keyColumns, mutations.slice(0, openFrom)),
        );
      }
      if (openFrom < mutations.length) {
        const open = mutations.slice(openFrom);
        this.#parts.set(name, { ...part, mutations: open, openFrom: 0 });
        for (const mutation of open) {
          this.#textLength += textLengthOf(mutation);
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
    const taken = [...this.#parts.values()].map(
      ({ table, keyColumns, mutations }) =>
        tableMutations(table, keyColumns, mutations),
    );
    this.#clear();
    return taken;
  }

  #clear(): void {
    this.#parts = new Map();
    this.#last = null;
    this.#textLength = 0;
  }

  #partOf(table: string, keyColumns: readonly string[] | undefined): Part {
    const last = this.#last;
    if (last?.table === table && last.keyColumns === keyColumns) {
      return last;
    }
    const name = `${table}\0${keyColumns?.join('\0')}`;
    let part = this.#parts.get(name);
    if (part === undefined) {
      part = { table, keyColumns, mutations: [], openFrom: 0 };
      this.#parts.set(name, part);
    }
    this.#last = part;
    return part;
  }
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
