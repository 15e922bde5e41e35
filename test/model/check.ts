/** Runs a case and checks all that always holds (README.md, "What it guarantees") of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplicatorError } from '../../src/failure/failure.ts';
import { nextTimestamp, type Timestamp } from '../../src/mutation/timestamp.ts';
import { createRandom } from '../../src/workload/random.ts';
import { retryWhatGoes } from '../support/dead-letter-hand.ts';
import { badFrom } from './bad-rows.ts';
import type { CaseSettings, ModelCase } from './model-case.ts';
import type { ModelDatabase, Noted } from './model-database.ts';
import { ModelHouse } from './model-house.ts';
import { commitTimes, deliver } from './random-delivery.ts';
import type { ModelSchema } from './random-schema.ts';
import {
  commitComplaint,
  difference,
  freeTables,
  SourceStates,
  watchTarget,
  writeComplaint,
} from './watching-reader.ts';

/** `refused`: halted with a refusal that is known and allowed; nothing is wrong. */
export interface Outcome {
  readonly kind: 'equal' | 'refused';
  readonly lookCount: number;
  readonly failureCount: number;
}

export type RefusalTest = (
  failure: ReplicatorError,
  schema: ModelSchema,
) => boolean;

/** Without anything having been applied. */
const hopelessMs = 60_000;
/** Transactions begun one after the other while halted, and none of them committed. */
const hopelessCount = 100;

/** Throws where anything of that does not hold. */
export async function runCase(
  database: ModelDatabase,
  { schema, commits, settings }: ModelCase,
  isAllowedRefusal: RefusalTest,
): Promise<Outcome> {
  const isConsistent = settings.mode === 'consistent';
  const random = createRandom(settings.seed);
  const times = commitTimes(commits.length, random);
  const isAhead = settings.bestEffort !== 'off';
  const states = new SourceStates(
    schema,
    commits,
    times,
    isAhead ? freeTables(schema) : new Set(),
  );
  await using target = await database.create(schema, {
    noted: notedIn(database, settings),
    limit: settings.hasBadRows ? badFrom : null,
  });
  await using house = await ModelHouse.open(database, target, settings);
  const reader = isConsistent ? watchTarget(target, states) : null;
  await using stack = new AsyncDisposableStack();
  if (reader) {
    stack.use(reader);
  }
  const log = (): string => `\n${house.lines.slice(-40).join('')}`;
  let endAtMs = 0;
  let moved: Timestamp | null | undefined = null;
  const goOn = (): void => {
    if (reader?.complaint) {
      throw new Error(reader.complaint + log());
    }
    const applied = house.status?.applied;
    if (applied !== moved) {
      moved = applied;
      // A search for bad rows takes many transactions.
      endAtMs = Date.now() + hopelessMs * (settings.hasBadRows ? 5 : 1);
    }
    if (Date.now() > endAtMs) {
      throw new Error(`no end in sight${log()}`);
    }
  };
  await deliver({
    commits,
    times,
    random: createRandom(settings.seed + 1),
    tableName: (table) => target.feedName(table),
    hasBefore: settings.hasBefore,
    isSparse: settings.isSparse,
    feedRestarts: settings.feedRestarts,
    open: () => house.feed(),
    meanwhile: async () => {
      goOn();
      await house.restartPerhaps();
    },
  });
  const hopeless = hopelessCount * (settings.hasBadRows ? 30 : 1);
  let last = times.at(-1)!;
  let kind: Outcome['kind'] = 'equal';
  let halted: { applied?: Timestamp | undefined; beginCount: number } = {
    beginCount: 0,
  };
  for (;;) {
    goOn();
    const { status } = house;
    if (status && status.applied >= last && status.complaint === null) {
      break;
    }
    if (
      status?.state === 'halted' &&
      status.lastError &&
      isAllowedRefusal(status.lastError, schema)
    ) {
      kind = 'refused';
      house.sayRefusal(status.lastError);
      break;
    }
    if (status?.state !== 'halted' || status.applied !== halted.applied) {
      halted = { applied: status?.applied, beginCount: house.beginCount };
    }
    if (house.beginCount > halted.beginCount + hopeless) {
      throw new Error(`no end in sight${log()}`);
    }
    await sleep(2);
    if (!isConsistent) {
      // A feed goes on resolving; one that comes during recovery moves nothing.
      last = await resolveNext(house, last);
    }
  }
  if (kind === 'equal') {
    const different = difference(await target.snapshot(), states.last);
    if (different) {
      throw new Error(`at the end the target had\n${different}${log()}`);
    }
    const { status } = house;
    if (status?.state !== 'running' || status.lastError !== null) {
      throw new Error(
        `the status is ${status?.state}, ${status?.lastError?.line}${log()}`,
      );
    }
  }
  const complaint =
    isConsistent && !isAhead
      ? await commitComplaint(target, states)
      : await writeComplaint(target);
  await stack.disposeAsync();
  if (complaint ?? reader?.complaint) {
    throw new Error(`${complaint ?? reader?.complaint}${log()}`);
  }
  if (kind === 'equal' && settings.hasBadRows) {
    house.endFaults();
    await target.mend();
    const leftCount = await retryWhatGoes({
      target: house.target,
      schema: target.main,
    });
    kind = leftCount === 0 ? 'equal' : 'refused';
    const { rows } = await target.snapshot();
    const different =
      kind === 'equal'
        ? difference({ rows, setAside: new Set() }, states.last)
        : null;
    if (different) {
      throw new Error(`after all was retried\n${different}${log()}`);
    }
  }
  return {
    kind,
    lookCount: reader?.lookCount ?? 0,
    failureCount: house.failureCount,
  };
}

/** Noting takes time, which hides what only happens in haste: not always. */
function notedIn(
  { engine }: ModelDatabase,
  { mode, seed, bestEffort }: CaseSettings,
): Noted {
  if (mode !== 'consistent' || bestEffort !== 'off') {
    return 'writes';
  }
  return engine === 'postgres' && seed % 2 === 0 ? 'commits' : 'nothing';
}

/** The time that is resolved then: this one where the receiver was not ready. */
async function resolveNext(
  house: ModelHouse,
  last: Timestamp,
): Promise<Timestamp> {
  const next = nextTimestamp(last);
  try {
    await (await house.feed()).resolve(next);
    return next;
  } catch {
    return last;
  }
}
