import type { BenchCase } from '../case.ts';
import {
  webhookPostgresConsistent,
  webhookPostgresImmediate,
} from './webhook-postgres.ts';
import { webhookStagePostgres, webhookStageSqlite } from './webhook-stage.ts';

const cases: readonly BenchCase[] = [
  webhookStageSqlite,
  webhookStagePostgres,
  webhookPostgresImmediate,
  webhookPostgresConsistent,
];

/** The cases of these names, or all; a wrong name ends the run. */
export function selectCases(names: readonly string[]): readonly BenchCase[] {
  for (const name of names) {
    if (!cases.some((it) => it.name === name)) {
      const known = cases.map((it) => it.name).join(', ');
      throw new Error(`no case "${name}"; there are ${known}`);
    }
  }
  return cases.filter((it) => names.length === 0 || names.includes(it.name));
}
