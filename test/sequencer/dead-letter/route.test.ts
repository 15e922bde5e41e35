import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import {
  noteLetter,
  type OpenRows,
} from '../../../src/sequencer/dead-letter/open-letters.ts';
import {
  routeTable,
  type Verdict,
} from '../../../src/sequencer/dead-letter/route.ts';
import {
  neededMutations,
  rowUnits,
} from '../../../src/sequencer/dead-letter/row-units.ts';
import type { NewDeadLetter } from '../../../src/target/dead-letters.ts';
import { wholeRowTest } from '../../../src/target/row-shape.ts';
import { tableShapeIn } from '../../target/table-shape.ts';
import { applyRows, plainColumn, type Rows, table } from './plain-rows.ts';

const keyless = tableShapeIn('s')('log', [plainColumn('a', null)]);

/** A target whose letters lie beside it. */
class Target {
  readonly rows: Rows = new Map();
  letters: NewDeadLetter[] = [];

  /** One transaction, with the rows at these places of it refused for good. */
  write(mutations: readonly Mutation[], isBad: (key: JsonText) => boolean) {
    const open: OpenRows = new Map();
    for (const { mutation, code } of this.letters) {
      noteLetter(open, mutation, code);
    }
    const verdicts = new Map<Mutation, Verdict>();
    const last = mutations.filter(
      ({ time }) => time === mutations.at(-1)!.time,
    );
    for (const unit of rowUnits([{ table, mutations: last }])) {
      if (unit.mutations.some(({ key }) => isBad(key))) {
        const needed = neededMutations(unit, wholeRowTest(table));
        for (const mutation of unit.mutations) {
          verdicts.set(mutation, {
            code: 'E4006',
            cause: 'bad',
            mutations: needed.includes(mutation) ? [mutation] : [],
          });
        }
      }
    }
    const { goes, letters, superseded, isEmptied } = routeTable(
      { table, mutations },
      {
        name: 't',
        open,
        verdictOf: (mutation) => verdicts.get(mutation),
        written: new Set(),
      },
    );
    if (isEmptied) {
      this.letters = [];
    }
    this.letters = this.letters.filter(
      ({ mutation }) => !superseded.has(mutation.key),
    );
    this.letters.push(...letters);
    applyRows(this.rows, goes.mutations);
    // What the router believes is what the next one reads.
    const read: OpenRows = new Map();
    for (const { mutation, code } of this.letters) {
      noteLetter(read, mutation, code);
    }
    expect(new Set(open.keys())).toEqual(new Set(read.keys()));
  }

  retryAll(): void {
    applyRows(
      this.rows,
      this.letters.map(({ mutation }) => mutation),
    );
    this.letters = [];
  }
}

const keyOf = (id: number): JsonText => `[${id}]` as JsonText;

/** What a client may do; what is not possible now is left out. */
const steps = fc.array(
  fc.record({
    what: fc.constantFrom(
      'whole',
      'whole',
      'sparse',
      'sparse',
      'delete',
      'move',
      'empty',
      'retry',
    ),
    id: fc.integer({ min: 0, max: 3 }),
    to: fc.integer({ min: 0, max: 3 }),
    value: fc.integer({ min: 1, max: 99 }),
    deleteFirst: fc.boolean(),
    isBad: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    endsBatch: fc.boolean(),
  }),
  { maxLength: 40 },
);

describe('routeTable', () => {
  test('retrying all letters in their order makes the target what the source is', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const source: Rows = new Map();
        const target = new Target();
        let batch: Mutation[] = [];
        const bad = new Set<string>();
        const flush = (): void => {
          target.write(batch, (key) => bad.has(key));
          batch = [];
          bad.clear();
        };
        for (const [index, step] of list.entries()) {
          const time = timestampFromMs(1_700_000_000_000 + index);
          const key = keyOf(step.id);
          const row = { time, key, before: null };
          const a = `{"a":${step.value}}` as JsonText;
          const to = keyOf(step.to);
          const gone = { ...row, after: null };
          const come = { ...row, key: to, after: a, movedFrom: key };
          const isThere = source.has(key);
          const mutations: Mutation[] =
            step.what === 'whole'
              ? [
                  {
                    ...row,
                    after:
                      `{"k":${step.id},"a":${step.value},"b":${index}}` as JsonText,
                  },
                ]
              : step.what === 'sparse' && isThere
                ? [{ ...row, after: a }]
                : step.what === 'delete' && isThere
                  ? [gone]
                  : step.what === 'move' && isThere && !source.has(to)
                    ? step.deleteFirst
                      ? [gone, come]
                      : [come, gone]
                    : step.what === 'empty' && step.value < 20
                      ? [truncation(time, false)]
                      : [];
          applyRows(source, mutations);
          batch.push(...mutations);
          if (step.isBad && mutations.length > 0) {
            bad.add(mutations.at(-1)!.key);
          }
          // A row that is bad is bad in one transaction: it ends here.
          if (step.endsBatch || step.isBad) {
            flush();
          }
          if (step.what === 'retry' && batch.length === 0) {
            target.retryAll();
            expect(target.rows).toEqual(source);
          }
        }
        flush();
        target.retryAll();
        expect(target.rows).toEqual(source);
      }),
      { numRuns: 10_000 },
    );
  });

  test('a row of a table without a key that is deleted after it was set aside is not brought back', () => {
    const time = timestampFromMs(1_700_000_000_000);
    const key = '[1]' as JsonText;
    const row = { time, key, before: null };
    const inserted = { ...row, after: '{"a":1}' as JsonText };
    const deleted = { ...row, after: null, before: '{"a":1}' as JsonText };
    const { goes, letters, superseded } = routeTable(
      { table: keyless, mutations: [inserted, deleted] },
      {
        name: 'log',
        open: new Map([[key, { code: 'E4005' }]]),
        verdictOf: () => undefined,
        written: new Set(),
      },
    );
    expect(goes.mutations).toEqual([inserted]);
    expect(letters).toMatchObject([{ mutation: deleted, code: 'E4005' }]);
    expect(superseded.size).toBe(0);
  });
});
