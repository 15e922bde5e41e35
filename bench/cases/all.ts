import type { BenchCase } from '../case.ts';
import { sqlServerUrl } from '../environment.ts';
import { mysqlLoadFloors } from '../floors/mysql-load.ts';
import { postgresUpsertFloors } from '../floors/postgres-upsert.ts';
import { sqlServerUpsertFloors } from '../floors/sqlserver-upsert.ts';
import { mysqlTarget } from '../targets/mysql.ts';
import { insertBacklog, tpcbBacklog } from '../sources/backlogs.ts';
import { postgresTarget } from '../targets/postgres.ts';
import { sqlServerTarget } from '../targets/sqlserver.ts';
import { slotDecode } from './slot-decode.ts';
import { slotLatency } from './slot-latency.ts';
import { slotCatchUpCase } from './slot-postgres.ts';
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
  webhookCase('webhook-postgres-staged', {
    kind: postgresTarget,
    mode: 'consistent',
    staging: 'postgres',
    floors: postgresUpsertFloors,
  }),
  webhookCase('webhook-postgres-shared', {
    kind: postgresTarget,
    mode: 'consistent',
    staging: 'shared',
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
  webhookCase('webhook-sqlserver-consistent', {
    kind: sqlServerTarget,
    mode: 'consistent',
    floors: sqlServerUpsertFloors,
  }),
  slotCatchUpCase('slot-postgres', tpcbBacklog),
  // Reads the same backlog.
  slotDecode,
  slotCatchUpCase('slot-postgres-inserts', insertBacklog),
  slotLatency,
];

/** Cases of servers that must be given from outside, and are not. */
const missing = new Set(
  sqlServerUrl === '' ? ['webhook-sqlserver-consistent'] : [],
);

/** `slot-postgres` is also `slot-postgres-inserts`. */
function isNamed({ name }: BenchCase, asked: string): boolean {
  return name === asked || name.startsWith(`${asked}-`);
}

/** The cases of these names, or all; a wrong name ends the run. */
export function selectCases(names: readonly string[]): readonly BenchCase[] {
  for (const name of names) {
    if (!cases.some((it) => isNamed(it, name))) {
      const known = cases.map((it) => it.name).join(', ');
      throw new Error(`no case "${name}"; there are ${known}`);
    }
  }
  const chosen = cases.filter(
    (it) => names.length === 0 || names.some((name) => isNamed(it, name)),
  );
  for (const { name } of chosen.filter((it) => missing.has(it.name))) {
    console.error(`${name}: left out, TEST_SQLSERVER_URL names no server`);
  }
  return chosen.filter((it) => !missing.has(it.name));
}
