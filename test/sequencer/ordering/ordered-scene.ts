/** A stage on which batches are held and let go, in a real target. */
import type {
  Batch,
  JsonText,
  Mutation,
} from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import {
  OrderedApply,
  type OrderedApplyOptions,
} from '../../../src/sequencer/ordering/ordered-apply.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { testDatabase } from '../../support/test-database.ts';

export interface Scene extends AsyncDisposable {
  readonly apply: OrderedApply;
  readonly committed: readonly number[];
  /** Codes of batches that ran again behind their elders. */
  readonly gaveWay: readonly string[];
  rows(text: string): Promise<unknown[]>;
  /** Shares the target with `apply`, and nothing else. */
  another(): OrderedApply;
}

type Before = (
  number: number,
  attempt: number,
  scene: Pick<Scene, 'committed' | 'gaveWay'>,
) => Promise<void>;

interface SceneOptions extends Partial<OrderedApplyOptions> {
  /** Asked behind the statements of each batch. */
  readonly after?: (number: number) => Promise<void>;
  readonly applyTimeoutMs?: number;
  readonly maxConnections?: number;
}

/** `before` is asked before the statements of each batch, by its number. */
export async function scene(
  ddl: string,
  before: Before,
  {
    after = async () => {},
    applyTimeoutMs = 60_000,
    maxConnections = defaultTargetOptions.pool.maxSize,
    onGaveWay,
    ...options
  }: SceneOptions = {},
): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  await database.query(ddl);
  const target = stack.use(
    await openTarget({
      ...defaultTargetOptions,
      pool: { ...defaultTargetOptions.pool, maxSize: maxConnections },
      url: database.url,
      applyTimeoutMs,
      statementCacheSize: 8,
    }),
  );
  const shape = (await target.introspect(
    schemaName([database.name, 'public']),
  ))!;
  const applier = createApplier({ collapse: true });
  const committed: number[] = [];
  const gaveWay: string[] = [];
  const attempts = new Map<number, number>();
  const newApply = (): OrderedApply =>
    stack.use(
      new OrderedApply(
        {
          target,
          applier: {
            async apply(tables, transaction, signal, order) {
              const [{ time }] = tables[0]!.mutations as [Mutation];
              const number = Number(time.slice(0, 13));
              const attempt = (attempts.get(number) ?? 0) + 1;
              attempts.set(number, attempt);
              await before(number, attempt, { committed, gaveWay });
              const counts = await applier.apply(
                tables,
                transaction,
                signal,
                order,
              );
              await after(number);
              return counts;
            },
          },
          order: 'upserts-first',
          shape,
          parallelism: 8,
          taskGracePeriodMs: 10_000,
          commitInOrder: true,
          lockGrain: 'fine',
          budgetLength: 1 << 20,
          markFor: () => null,
          onCommitted: ({ through }) =>
            committed.push(Number(through.slice(0, 13))),
          onOpenTransactions: () => {},
          onGaveWay: (error) => {
            gaveWay.push(error.code);
            onGaveWay?.(error);
          },
          ...options,
        },
        new AbortController().signal,
      ),
    );
  return {
    apply: newApply(),
    another: newApply,
    committed,
    gaveWay,
    rows: async (text) => (await database.query(text)).rows,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

type WrittenRow = readonly [id: number, after: object | null];

/** By table: rows with an id, or of a table without a key such as go. */
export function batchOf(
  number: number,
  tables: Readonly<Record<string, readonly (WrittenRow | object)[]>>,
): Batch {
  const time = timestampFromMs(number);
  return {
    through: time,
    complete: true,
    rowCount: 1,
    textLength: 10,
    tables: Object.entries(tables).map(([table, rows]) => ({
      table,
      mutations: rows.map((row): Mutation => {
        if (!Array.isArray(row)) {
          return {
            time,
            key: JSON.stringify(Object.values(row)) as JsonText,
            after: null,
            before: JSON.stringify(row) as JsonText,
          };
        }
        const [id, after] = row as unknown as WrittenRow;
        return {
          time,
          key: `[${id}]` as JsonText,
          after: after && (JSON.stringify({ id, ...after }) as JsonText),
          before: null,
        };
      }),
    })),
  };
}

/** Resolves when somebody has called `open`. */
export function gate(): { open(): void; readonly opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, opened: promise };
}
