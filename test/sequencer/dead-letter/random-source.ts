import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { row } from '../../support/fed-house.ts';

export const sourceTables = ['plain', 'parent', 'child'] as const;

export type Row = Readonly<Record<string, string | number | null>>;
export type Rows = Map<number, Row>;

/**
 * A source whose writes are random, and break rules that a target may have:
 *
 *     plain    v may be too large (a check), name too long (its type)
 *     parent   v may be too large
 *     child    refers to a parent; its unique value may be a stranger's
 */
export class Source {
  readonly plain: Rows = new Map();
  readonly parent: Rows = new Map();
  readonly child: Rows = new Map();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Some rows, all at one time, each once. */
  transaction(step: number): TableMutations[] {
    const writes = new Map<string, TableMutations>();
    for (let count = 1 + this.#below(4); count > 0; count -= 1) {
      const [table, id, after] = this.#write();
      const rows = this[table];
      if (writes.has(`${table} ${id}`) || (after === null && !rows.has(id))) {
        continue;
      }
      if (after === null) {
        rows.delete(id);
      } else {
        rows.set(id, after);
      }
      writes.set(`${table} ${id}`, row(table, step, id, after));
    }
    return [...writes.values()];
  }

  #write(): ['plain' | 'parent' | 'child', number, Row | null] {
    const id = 1 + this.#below(12);
    const v = this.#below(5) === 0 ? 500 + id : this.#below(100);
    const isGone = this.#below(4) === 0;
    switch (this.#below(3)) {
      case 0: {
        const name = this.#below(6) === 0 ? 'too long' : 'ok';
        return ['plain', id, isGone ? null : { v, name }];
      }
      case 1: {
        const isNeeded = [...this.child.values()].some(
          ({ parent }) => parent === id,
        );
        return ['parent', id, isGone && !isNeeded ? null : { v }];
      }
      default: {
        const [parent = null] = [...this.parent.keys()].toSorted(
          (a, b) => ((a * 7 + id) % 5) - ((b * 7 + id) % 5),
        );
        const u =
          this.#below(5) === 0 ? `stranger${this.#below(2)}` : `own${id}`;
        const isTaken = [...this.child].some(
          ([other, each]) => other !== id && each['u'] === u,
        );
        return [
          'child',
          id,
          isGone ? null : { parent, u: isTaken ? `own${id}` : u },
        ];
      }
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
