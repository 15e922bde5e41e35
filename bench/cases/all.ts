import type { BenchCase } from '../case.ts';
import { mysqlLoadFloors } from '../floors/mysql-load.ts';
import { postgresUpsertFloors } from '../floors/postgres-upsert.ts';
import { mysqlTarget } from '../targets/mysql.ts';
import { postgresTarget } from '../targets/postgres.ts';
import { webhookStagePostgres, webhookStageSqlite } from './webhook-stage.ts';
import { webhookCase } from './webhook-target.ts';

const cases: readonly BenchCase[] = [
  webhookStageSqlite,
  webhookStagePostgres,
  webhookCase('webhook-postgres-immediate', {
    kind: postgresTarget,
    mode: 'immediate',
    floors: postgresUpsertFloors,
  }),
  webhookCase('webhook-postgres-consistent', {
    kind: postgresTarget,
    mode: 'consistent',
    floors: postgresUpsertFloors,
  }),
  webhookCase('webhook-mysql-consistent', {
    kind: mysqlTarget('mysql'),
    mode: 'consistent',
    floors: mysqlLoadFloors('mysql'),
  }),
  webhookCase('webhook-mariadb-consistent', {
    kind: mysqlTarget('mariadb'),
    mode: 'consistent',
    floors: mysqlLoadFloors('mariadb'),
  }),
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
