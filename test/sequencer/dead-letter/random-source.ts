import { expect } from 'vitest';

import type { TableMutations } from '../../../src/mutation/mutation.ts';
import type { Random } from '../../../src/workload/random.ts';
import { row, rowsOf } from '../../support/fed-house.ts';
import type { TestHouse } from '../../support/house.ts';

const sourceTables = ['plain', 'parent', 'child'] as const;
type SourceTable = (typeof sourceTables)[number];

export type Row = Readonly<Record<string, string | number | null>>;
type Rows = Map<number, Row>;

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
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** So many transactions, each a step behind the one before. */
  transactions(step: number, count: number): TableMutations[] {
    return Array.from({ length: count }, (_, index) =>
      this.#transaction(step + 1 + index),
    ).flat();
  }

  /** Some rows, all at one time, each once. */
  #transaction(step: number): TableMutations[] {
    const writes = new Map<string, TableMutations>();
    for (let count = 1 + this.#random.integer(4); count > 0; count -= 1) {
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

  #write(): [SourceTable, number, Row | null] {
    const id = 1 + this.#random.integer(12);
    const v =
      this.#random.integer(5) === 0 ? 500 + id : this.#random.integer(100);
    const isGone = this.#random.integer(4) === 0;
    switch (this.#random.integer(3)) {
      case 0: {
        const name = this.#random.integer(6) === 0 ? 'too long' : 'ok';
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
          this.#random.integer(5) === 0
            ? `stranger${this.#random.integer(2)}`
            : `own${id}`;
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
}

/** Of the rows that are compared the target has those of the source, and no others but strangers. */
export async function expectRows(
  house: TestHouse,
  source: Source,
  isCompared: (table: SourceTable, id: number) => boolean = () => true,
): Promise<void> {
  for (const table of sourceTables) {
    const texts = (await rowsOf(
      house,
      `select row_to_json(${table})::text from ${table} where id < 1000 order by id`,
    )) as string[];
    const there = texts
      .map((text) => JSON.parse(text) as Row & { readonly id: number })
      .filter(({ id }) => isCompared(table, id));
    const wanted = [...source[table]]
      .filter(([id]) => isCompared(table, id))
      .map(([id, each]) => ({ id, ...each }))
      .toSorted((a, b) => a.id - b.id);
    expect(there, table).toEqual(wanted);
  }
}
