/** What the two commands of the bench are told. */
import { parseArgs } from 'node:util';

import { caseNames } from './cases/all.ts';

export interface BenchOptions {
  /** Commits and cases, as they came. */
  readonly names: readonly string[];
  readonly json: boolean;
  /** Of load in a sample. */
  readonly seconds: number;
  readonly rounds: number;
  /** In the slot before a catch-up; fewer only for trying. */
  readonly changes: number;
  /** In staging before a catch-up. */
  readonly backlog: number;
  /** Measure floors alone. */
  readonly floors: boolean;
}

/** Prints the usage, and ends the process, where help is asked for. */
export function benchOptions(
  usage: string,
  { mayMeasureFloors = false } = {},
): BenchOptions {
  return orUsage(usage, () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '4' },
        rounds: { type: 'string', default: '3' },
        changes: { type: 'string', default: '1000000' },
        backlog: { type: 'string', default: '1000000' },
        floors: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(
        `${usage}\n\nCases: ${caseNames.join(', ')}.\nWhat each of them measures: docs/performance.md`,
      );
      process.exit(0);
    }
    if (values.floors && !mayMeasureFloors) {
      throw new Error('--floors is none of its options');
    }
    return {
      names: positionals,
      json: values.json,
      seconds: Math.min(15, count('seconds', values.seconds, 0)),
      rounds: count('rounds', values.rounds, 1),
      changes: count('changes', values.changes, 1_000),
      backlog: count('backlog', values.backlog, 1_000),
      floors: values.floors,
    };
  });
}

/** Ends the process with 2, the failure and the usage, where the work fails. */
export function orUsage<T>(usage: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

function count(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isFinite(value)) {
    throw new Error(`--${name} wants a number, not ${text}`);
  }
  return Math.max(least, value);
}
