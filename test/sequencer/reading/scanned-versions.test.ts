/**
 * A table that is added with a scan while rows at or before R0 come in any
 * order and again and again: whichever way they go, the newest version stays.
 */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { foldByKey } from '../../../src/mutation/fold.ts';
import type {
  Batch,
  JsonText,
  Mutation,
} from '../../../src/mutation/mutation.ts';
import { versionOf } from '../../../src/mutation/row-version.ts';
import {
  schemaName,
  type SchemaName,
} from '../../../src/mutation/schema-name.ts';
import {
  nextTimestamp,
  type Timestamp,
  timestampFromMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { siftRows } from '../../../src/pipeline/feed/redelivery.ts';
import { AheadPending } from '../../../src/sequencer/ahead/ahead-pending.ts';
import { readBatches } from '../../../src/sequencer/reading/read-batches.ts';
import { VersionGuard } from '../../../src/sequencer/version-guard.ts';
import { encodeEntries } from '../../../src/staging/batch-codec.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import type { SchemaShape } from '../../../src/target/target.ts';
import { column, tableShape } from '../../target/postgres/shapes.ts';

const table = tableShape('t', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0 }),
  column('v', 'pg_catalog.int8'),
]);
const shape: SchemaShape = {
  name: schemaName(['db', 'public']),
  tables: new Map([['t', table]]),
};
const resolvedStep = 10;
const since = timestampFromMs(resolvedStep);
const end = timestampFromMs(100);

/** Some versions are deletes; the value says which version it is. */
function version(id: number, step: number): Mutation {
  // At the very tick at which rows of the scan take effect, too.
  const time =
    step === resolvedStep + 1 ? nextTimestamp(since) : timestampFromMs(step);
  return {
    time,
    key: `[${id}]` as JsonText,
    after: step % 4 === 0 ? null : (`{"id":${id},"v":${step}}` as JsonText),
    before: null,
  };
}

const delivery = fc.array(
  fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 14 })),
  { minLength: 1, maxLength: 6 },
);
/** Whatever was sent may come again, in other company. */
const deliveries = fc
  .array(delivery, { minLength: 1, maxLength: 12 })
  .chain((first) =>
    fc
      .array(fc.subarray(first.flat(), { minLength: 1 }), { maxLength: 4 })
      .map((again) => [...first, ...again]),
  );

/** As they are staged while the table is scanned. */
function sifted(
  requests: readonly (readonly [number, number][])[],
): Mutation[][] {
  const mark = {
    since,
    isSettled: false,
    earlier: [],
    vagueThrough: zeroTimestamp,
  };
  return requests.map((rows) => {
    const mutations = rows.map(([id, step]) => version(id, step));
    const { fresh } = siftRows([[{ table: 't', mutations }, mark]], {
      resolved: since,
      applied: since,
    });
    return [...fresh[0]!.mutations];
  });
}

/** What each row is at the source, and as which step it was written. */
function newest(
  requests: readonly (readonly [number, number][])[],
): Map<JsonText, JsonText | null> {
  const steps = new Map<number, number>();
  for (const [id, step] of requests.flat()) {
    steps.set(id, Math.max(step, steps.get(id) ?? 0));
  }
  return new Map(
    [...steps].map(([id, step]) => {
      const { key, after } = version(id, step);
      return [key, after];
    }),
  );
}

class TargetRows {
  readonly rows = new Map<JsonText, JsonText | null>();

  write(mutations: readonly Mutation[]): void {
    const folded = foldByKey(mutations, {
      isWhole: () => true,
      isKeyColumn: (name) => name === 'id',
    });
    for (const each of folded.mutations) {
      this.rows.set(each.key, each.kind === 'delete' ? null : each.after);
    }
  }
}

/** Each run has a schema of its own in one store. */
class Log implements AsyncDisposable {
  readonly #store: StagingStore;
  readonly #folder: AsyncDisposable;
  #runCount = 0;

  static async open(): Promise<Log> {
    const folder = await mkdtempDisposable(join(tmpdir(), 'scanned-'));
    const dataDir = folder.path;
    return new Log(openSqliteStore({ dataDir, exclusive: true }), folder);
  }

  private constructor(store: StagingStore, folder: AsyncDisposable) {
    this.#store = store;
    this.#folder = folder;
  }

  async stage(requests: readonly Mutation[][]): Promise<Staged> {
    const schema = schemaName(['db', `run${(this.#runCount += 1)}`]);
    for (const mutations of requests) {
      const entries = encodeEntries(schema, [{ table: 't', mutations }]);
      await this.#store.append(entries);
    }
    return { store: this.#store, schema };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

interface Staged {
  readonly store: StagingStore;
  readonly schema: SchemaName;
}

async function batchesOf(
  { store, schema }: Staged,
  limits: { flushSize: number; scanSize: number; readBudgetBytes: number },
): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of readBatches(
    store,
    schema,
    since,
    end,
    {
      timestampLimit: 1_000,
      collapseMutations: true,
      isStatementOrder: false,
      ...limits,
    },
    shape,
    new AbortController().signal,
  )) {
    batches.push(batch);
  }
  return batches;
}

const limits = fc.record({
  flushSize: fc.integer({ min: 1, max: 20 }),
  scanSize: fc.integer({ min: 1, max: 20 }),
  readBudgetBytes: fc.constantFrom(1, 300, 1 << 20),
});

function rowsOf({ tables }: Batch): readonly Mutation[] {
  return tables.flatMap(({ mutations }) => mutations);
}

test('in consistent mode, also where the scan does not fit into memory, all at one time', async () => {
  await using log = await Log.open();
  await fc.assert(
    fc.asyncProperty(deliveries, limits, async (requests, given) => {
      const here = await log.stage(sifted(requests));
      const target = new TargetRows();
      let open: Timestamp | null = null;
      let applied = since;
      for (const batch of await batchesOf(here, given)) {
        for (const { time } of rowsOf(batch)) {
          expect(time > applied && time <= batch.through).toBe(true);
        }
        expect(open === null || batch.through === open).toBe(true);
        target.write(rowsOf(batch));
        open = batch.complete ? null : batch.through;
        applied = batch.complete ? batch.through : applied;
        expect(applied).toHaveLength(zeroTimestamp.length);
      }
      expect(open).toBeNull();
      expect(target.rows).toEqual(newest(requests));
    }),
    { numRuns: 150 },
  );
});

test('in best effort, ahead of the sweep and behind it, and no version is written over a newer one', async () => {
  await using log = await Log.open();
  await fc.assert(
    fc.asyncProperty(
      deliveries,
      limits,
      fc.infiniteStream(fc.boolean()),
      async (requests, given, goes) => {
        const staged = sifted(requests);
        const here = await log.stage(staged);
        const guard = new VersionGuard(Number.POSITIVE_INFINITY);
        const pending = new AheadPending();
        const target = new TargetRows();
        const written = new Map<JsonText, Timestamp>();
        const write = (mutations: readonly Mutation[]): void => {
          const fresh = guard.fresh('t', mutations, since);
          target.write(fresh);
          const latest = new Map<JsonText, Timestamp>();
          for (const each of fresh) {
            const known = latest.get(each.key);
            if (known === undefined || known < versionOf(each)) {
              latest.set(each.key, versionOf(each));
            }
          }
          for (const [key, text] of latest) {
            expect((written.get(key) ?? '') <= text).toBe(true);
            written.set(key, text);
          }
          guard.note([{ table: 't', mutations: fresh }]);
        };
        const goAhead = (): void => {
          const all = { maxRows: 100, maxBytes: 1 << 20 };
          write(pending.take(all, () => true).map((row) => row.mutation));
        };
        for (const mutations of staged) {
          for (const mutation of mutations) {
            if (goes.next().value) {
              pending.add({ table: 't', mutation });
            }
          }
          if (goes.next().value) {
            goAhead();
          }
        }
        for (const batch of await batchesOf(here, given)) {
          write(rowsOf(batch));
        }
        goAhead();
        expect(target.rows).toEqual(newest(requests));
      },
    ),
    { numRuns: 150 },
  );
});

test('in immediate mode, and in the recovery behind it', async () => {
  await using log = await Log.open();
  await fc.assert(
    fc.asyncProperty(deliveries, limits, async (requests, given) => {
      const staged = sifted(requests);
      const target = new TargetRows();
      const guard = new VersionGuard(1_000);
      for (const mutations of staged) {
        const fresh = guard.fresh('t', mutations, since);
        target.write(fresh);
        guard.note([{ table: 't', mutations: fresh }]);
      }
      expect(target.rows).toEqual(newest(requests));
      const here = await log.stage(staged);
      const recovered = new VersionGuard(1_000);
      const batches = await batchesOf(here, given);
      for (const { tables } of batches) {
        recovered.note(tables);
      }
      for (const batch of batches) {
        for (const row of rowsOf(batch)) {
          if (!recovered.knowsLater('t', row)) {
            target.write([row]);
            expect(row.after).toBe(newest(requests).get(row.key));
          }
        }
      }
      expect(target.rows).toEqual(newest(requests));
    }),
    { numRuns: 100 },
  );
});
