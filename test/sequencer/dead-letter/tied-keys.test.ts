import fc from 'fast-check';
import { expect, test } from 'vitest';

import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import {
  OpenLetters,
  type OpenRows,
} from '../../../src/sequencer/dead-letter/open-letters.ts';
import {
  routeTable,
  type TableRoute,
  type Verdict,
} from '../../../src/sequencer/dead-letter/route.ts';
import { HeldLocks } from '../../../src/sequencer/ordering/held-locks.ts';
import {
  type LockSet,
  lockNames,
} from '../../../src/sequencer/ordering/row-locks.ts';
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import type { NewDeadLetter } from '../../../src/target/dead-letters.ts';
import { applyRows, type Rows, table } from './plain-rows.ts';

const namesOf = lockNames(
  { name: 's' as SchemaName, tables: new Map([['t', table]]) },
  'fine',
);

interface Crossing {
  readonly mutations: readonly Mutation[];
  readonly isBad: boolean;
  readonly locks: LockSet;
  blockers: ReadonlySet<Crossing>;
  /** What it knew and decided when it began. */
  route: (TableRoute & { open: OpenRows; asked: readonly JsonText[] }) | null;
}

/** Batches that begin beside one another and commit in their order. */
class Crossings {
  readonly rows: Rows = new Map();
  letters: NewDeadLetter[] = [];
  readonly #open = new OpenLetters();
  readonly #held = new HeldLocks<Crossing>();
  readonly #under: Crossing[] = [];

  submit(mutations: readonly Mutation[], isBad: boolean): void {
    const tables: TableMutations[] = [{ table: 't', mutations }];
    const locks = namesOf(tables, this.#open.locksOf(tables));
    const crossing: Crossing = {
      mutations,
      isBad,
      locks,
      blockers: new Set(),
      route: null,
    };
    crossing.blockers = this.#held.take(locks, crossing).blockers;
    this.#under.push(crossing);
  }

  /** One of those that may begins; what it knows is what is settled by now. */
  begin(choice: number): void {
    const ready = this.#under.filter(
      ({ route, blockers }) =>
        route === null && this.#under.every((each) => !blockers.has(each)),
    );
    const crossing = ready[choice % Math.max(1, ready.length)];
    if (crossing) {
      crossing.route = this.#routeOf(crossing);
    }
  }

  /** The eldest, with what its statements do to the letters there are by now. */
  commit(): void {
    const [crossing] = this.#under;
    if (!crossing) {
      return;
    }
    crossing.route ??= this.#routeOf(crossing);
    const { goes, letters, superseded, open, asked } = crossing.route;
    applyRows(this.rows, goes.mutations);
    this.letters = this.letters.filter(
      ({ mutation }) => !superseded.has(mutation.key),
    );
    this.letters.push(...letters);
    this.#open.settle('t', [
      ...asked.map((key) => [key, open.get(key) ?? null] as const),
      ...open,
    ]);
    this.#under.shift();
    this.#held.release(crossing.locks, crossing);
  }

  get isIdle(): boolean {
    return this.#under.length === 0;
  }

  retryAll(): void {
    applyRows(
      this.rows,
      this.letters.map(({ mutation }) => mutation),
    );
  }

  #routeOf({ mutations, isBad }: Crossing) {
    const known = this.#open.get('t') ?? (new Map() as OpenRows);
    const asked = new Set(
      mutations.flatMap(({ key, movedFrom }) =>
        movedFrom === undefined ? [key] : [key, movedFrom],
      ),
    );
    for (const key of asked) {
      const { movedFrom, movedTo = [] } = known.get(key) ?? {};
      for (const other of [movedFrom, ...movedTo]) {
        if (other !== undefined) {
          asked.add(other);
        }
      }
    }
    const open: OpenRows = new Map(
      [...asked].flatMap((key) =>
        known.has(key) ? [[key, known.get(key)!]] : [],
      ),
    );
    const verdict: Verdict = { code: 'E4006', cause: 'bad', mutations };
    const route = routeTable(
      { table, mutations },
      {
        name: 't',
        open,
        verdictOf: () => (isBad ? verdict : undefined),
        written: new Set(),
      },
    );
    return { ...route, open, asked: [...asked] };
  }
}

const keyOf = (id: number): JsonText => `[${id}]` as JsonText;
const ids = fc.integer({ min: 0, max: 3 });
const steps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: fc.constant('begin'), n: ids }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('commit'), n: ids }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('whole', 'sparse', 'delete', 'move', 'move'),
        n: ids,
        to: ids,
        isBad: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      }),
    },
  ),
  { minLength: 5, maxLength: 60 },
);

/** Another row was to come where one has stayed, and to leave for a third key. */
const leavesTwice = [
  { do: 'move', n: 0, to: 3, isBad: true },
  { do: 'delete', n: 2, to: 0, isBad: true },
  { do: 'whole', n: 0, to: 0, isBad: true },
  { do: 'move', n: 0, to: 2, isBad: true },
  { do: 'whole', n: 2, to: 0, isBad: false },
  { do: 'whole', n: 0, to: 0, isBad: false },
] as const;

test('whatever runs side by side, keys that a row with open letters has left or was to get end as at the source', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const source: Rows = new Map();
      const target = new Crossings();
      for (const id of [0, 1, 2]) {
        for (const rows of [source, target.rows]) {
          rows.set(keyOf(id), { a: '0', b: '0', k: keyOf(id) });
        }
      }
      for (const [index, step] of list.entries()) {
        if (step.do === 'begin') {
          target.begin(step.n);
          continue;
        }
        if (step.do === 'commit') {
          target.commit();
          continue;
        }
        const { n } = step;
        const to = 'to' in step ? step.to : 0;
        const isBad = 'isBad' in step && step.isBad;
        const time = timestampFromMs(1_700_000_000_000 + index);
        const key = keyOf(n);
        const row = { time, key, before: null };
        const gone = { ...row, after: null };
        const sparse = { ...row, after: `{"a":${index}}` as JsonText };
        const whole = {
          ...row,
          after: `{"k":${n},"a":${index},"b":${index}}` as JsonText,
        };
        const isThere = source.has(key);
        const mayMove = isThere && !source.has(keyOf(to));
        const mutations: Mutation[] =
          step.do === 'whole'
            ? [whole]
            : step.do === 'sparse' && isThere
              ? [sparse]
              : step.do === 'delete' && isThere
                ? [gone]
                : step.do === 'move' && mayMove
                  ? [gone, { ...sparse, key: keyOf(to), movedFrom: key }]
                  : [];
        if (mutations.length === 0) {
          continue;
        }
        applyRows(source, mutations);
        // A bad row is found with no other batch under way.
        while (isBad && !target.isIdle) {
          target.commit();
        }
        target.submit(mutations, isBad);
        while (isBad && !target.isIdle) {
          target.commit();
        }
      }
      while (!target.isIdle) {
        target.commit();
      }
      target.retryAll();
      expect(target.rows).toEqual(source);
    }),
    { numRuns: 20_000, examples: [[[...leavesTwice]]] },
  );
});
