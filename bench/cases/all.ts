import type { BenchCase, BenchGrowth } from '../case.ts';
import { sqlServerUrl } from '../environment.ts';
import { mysqlLoadFloors } from '../floors/mysql-load.ts';
import {
  postgresUpsertFloors,
  postgresUpsertFloorsOf,
} from '../floors/postgres-upsert.ts';
import { KNOWN_SHAPE } from '../load-shape.ts';
import { sqlServerUpsertFloors } from '../floors/sqlserver-upsert.ts';
import { mysqlTarget } from '../targets/mysql.ts';
import { insertBacklog, tpcbBacklog } from '../sources/backlogs.ts';
import { postgresTarget, postgresTargetOf } from '../targets/postgres.ts';
import { sqlServerTarget } from '../targets/sqlserver.ts';
import { backlogCase } from './backlog.ts';
import { growthRowBytes, growthStaged, growthTables } from './growth.ts';
import { hotKey } from './hot-key.ts';
import { latencyCase } from './latency.ts';
import { slotDecode } from './slot-decode.ts';
import { slotLatency } from './slot-latency.ts';
import { slotCatchUpCase } from './slot-postgres.ts';
import { startTimeCase } from './start-time.ts';
import { webhookStagePostgres, webhookStageSqlite } from './webhook-stage.ts';
import { webhookCase } from './webhook-target.ts';

const cases: readonly (BenchCase | BenchGrowth)[] = [
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
  webhookCase('webhook-postgres-updates', {
    kind: postgresTargetOf(KNOWN_SHAPE),
    mode: 'consistent',
    shape: KNOWN_SHAPE,
    floors: postgresUpsertFloorsOf(KNOWN_SHAPE),
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
  latencyCase('latency-immediate', { mode: 'immediate', requestRows: 10 }),
  latencyCase('latency-consistent', { mode: 'consistent', requestRows: 10 }),
  latencyCase('latency-immediate-single', {
    mode: 'immediate',
    requestRows: 1,
    isOnlyNamed: true,
  }),
  latencyCase('latency-consistent-single', {
    mode: 'consistent',
    requestRows: 1,
    isOnlyNamed: true,
  }),
  hotKey,
  startTimeCase('start-time-cold', { isWarm: false }),
  startTimeCase('start-time-warm', { isWarm: true }),
  backlogCase('backlog-sqlite', 'sqlite'),
  backlogCase('backlog-postgres', 'postgres'),
  growthTables,
  growthStaged,
  growthRowBytes,
];

export const caseNames: readonly string[] = cases.map(({ name }) => name);

/** Cases of servers that must be given from outside, and are not. */
const missing = new Set(
  sqlServerUrl === '' ? ['webhook-sqlserver-consistent'] : [],
);

/** `slot-postgres` is also `slot-postgres-inserts`. */
function isNamed({ name }: { readonly name: string }, asked: string): boolean {
  return name === asked || name.startsWith(`${asked}-`);
}

/** Of a growth the points that are named, or all if it is named itself. */
function selectFrom(
  it: BenchCase | BenchGrowth,
  names: readonly string[],
): (BenchCase | BenchGrowth)[] {
  if (names.length === 0) return it.isOnlyNamed === true ? [] : [it];
  if (names.some((name) => isNamed(it, name))) return [it];
  return 'points' in it
    ? it.points.filter(({ name }) => names.includes(name))
    : [];
}

/**
 * The cases of these names, or all that do not take long; a wrong name ends
 * the run.
 */
export function selectCases(
  names: readonly string[],
): readonly (BenchCase | BenchGrowth)[] {
  for (const name of names) {
    if (!cases.some((it) => selectFrom(it, [name]).length > 0)) {
      throw new Error(`no case "${name}"; there are ${caseNames.join(', ')}`);
    }
  }
  const chosen = cases.flatMap((it) => selectFrom(it, names));
  for (const { name } of chosen.filter((it) => missing.has(it.name))) {
    console.error(`${name}: left out, TEST_SQLSERVER_URL names no server`);
  }
  return chosen.filter((it) => !missing.has(it.name));
}

/** A growth as the cases that it consists of. */
export function pointsOf(it: BenchCase | BenchGrowth): readonly BenchCase[] {
  return 'points' in it ? it.points : [it];
}
