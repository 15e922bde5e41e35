/** A wire that fails between the pipelines and a real target. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { DeadLetterBox } from '../../src/target/dead-letters.ts';
import type { Target, TargetTransaction } from '../../src/target/target.ts';
import type { Random } from '../../src/workload/random.ts';

export interface TargetFaults {
  readonly random: Random;
  /** How many may still befall; it counts down. */
  left: number;
  /** Of a call. */
  readonly probability: number;
  /** Transactions begun so far. */
  beginCount: number;
  /** Resets every connection to the database that there is. */
  cut(): void;
}

const fallibleCalls: readonly (keyof Target)[] = [
  'introspect',
  'begin',
  'claimCheckpoint',
  'checkpoint',
];

/** All that writes: what was called first is sent first, however long it is held back. */
const fallibleSteps: readonly (keyof TargetTransaction)[] = [
  'upsert',
  'update',
  'vacateUniqueKeys',
  'delete',
  'deleteUnreferred',
  'moveKeys',
  'insert',
  'deleteEqual',
  'truncate',
  'checkConstraints',
  'keepAlive',
  'commit',
];

const fallibleLetters: readonly (keyof DeadLetterBox)[] = [
  'add',
  'lockKeys',
  'supersedeTable',
  'supersede',
  'take',
  'remove',
  'explain',
];

/**
 * Each call may be refused before it is made, made and then said to have
 * failed, held back, or lose its connection on the way.
 */
export function faultyTarget(target: Target, faults: TargetFaults): Target {
  return intercepted(target, fallibleCalls, (work) =>
    befallen(faults, async () => {
      const result = await work();
      if (!isTransaction(result)) {
        return result;
      }
      faults.beginCount += 1;
      return faultyTransaction(result, faults);
    }),
  );
}

function faultyTransaction(
  transaction: TargetTransaction,
  faults: TargetFaults,
): TargetTransaction {
  // The contract: after a failure every later call rejects with it.
  let failure: { readonly error: unknown } | null = null;
  let before: Promise<unknown> = Promise.resolve();
  const inOrder = (work: () => Promise<unknown>): Promise<unknown> => {
    const turn = before.then(async () => {
      if (failure) {
        throw failure.error;
      }
      try {
        return await befallen(faults, work);
      } catch (error) {
        failure ??= { error };
        throw error;
      }
    });
    before = turn.catch(() => {});
    return turn;
  };
  const letters: TargetTransaction['deadLetters'] = (...names) =>
    intercepted(transaction.deadLetters(...names), fallibleLetters, inOrder);
  return intercepted(transaction, fallibleSteps, inOrder, {
    deadLetters: letters,
  });
}

/** The same object, some of whose methods are run by another hand. */
function intercepted<T extends object>(
  object: T,
  names: readonly (keyof T)[],
  run: (work: () => Promise<unknown>) => Promise<unknown>,
  others: Partial<T> = {},
): T {
  return new Proxy(object, {
    get(real, name) {
      if (name in others) {
        return others[name as keyof T];
      }
      const value: unknown = Reflect.get(real, name, real);
      if (typeof value !== 'function') {
        return value;
      }
      const call = value.bind(real) as (
        ...values: unknown[]
      ) => Promise<unknown>;
      return names.includes(name as keyof T)
        ? (...values: unknown[]) => run(() => call(...values))
        : call;
    },
  });
}

async function befallen(
  faults: TargetFaults,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const { random } = faults;
  if (faults.left <= 0 || !random.chance(faults.probability)) {
    return await work();
  }
  faults.left -= 1;
  switch (random.integer(7)) {
    case 0:
      throw new ReplicatorError(random.pick(['E4001', 'E4003', 'E4010']));
    case 1:
    case 2: {
      const result = await work();
      if (isTransaction(result)) {
        await result[Symbol.asyncDispose]();
      }
      throw new ReplicatorError('E4002');
    }
    case 3:
      faults.cut();
      return await work();
    case 4: {
      const result = work();
      faults.cut();
      return await result;
    }
    default:
      await sleep(5 + random.integer(60));
      return await work();
  }
}

function isTransaction(value: unknown): value is TargetTransaction {
  return typeof value === 'object' && value !== null && 'commit' in value;
}
