/** A hand that feeds a house (house.ts) and looks at what comes of it. */
import type { JsonText, TableMutations } from '../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';
import type {
  PipelineState,
  PipelineStatus,
} from '../../src/pipeline/watching/status.ts';
import type { TestHouse } from './house.ts';

const baseMs = 1_700_000_000_000;

export function at(step: number): Timestamp {
  return timestampFromMs(baseMs + step);
}

/** `row('t', 5, 1, {v: 2})`: at step 5 the row [1] becomes {id: 1, v: 2}. */
export function row(
  table: string,
  step: number,
  id: number,
  after: Record<string, unknown> | null,
): TableMutations {
  return {
    table,
    mutations: [
      {
        time: at(step),
        key: `[${id}]` as JsonText,
        after: after && (JSON.stringify({ id, ...after }) as JsonText),
        before: null,
      },
    ],
  };
}

export async function send(
  house: TestHouse,
  tables: readonly TableMutations[],
  resolvedStep?: number,
): Promise<void> {
  const feed = (await house.pipelines.open(house.schema))!;
  for (const part of tables) {
    await feed.accept([part]);
  }
  if (resolvedStep !== undefined) {
    await feed.resolve(at(resolvedStep));
  }
}

export async function until(
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await condition())) {
    await new Promise((done) => setTimeout(done, 3));
  }
}

export function status(house: TestHouse): PipelineStatus {
  return house.pipelines.all[0]!.status;
}

export async function applied(house: TestHouse, step: number): Promise<void> {
  await until(() => status(house).applied >= at(step));
}

export async function state(
  house: TestHouse,
  wanted: PipelineState,
): Promise<void> {
  await until(() => status(house).state === wanted);
}

export async function rowsOf(
  house: TestHouse,
  sql: string,
): Promise<unknown[]> {
  const { rows } = await house.database.query<Record<string, unknown>>(sql);
  return rows.map((each) => Object.values(each).join(' '));
}
