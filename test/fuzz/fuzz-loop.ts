/**
 * A coverage-guided fuzzer in one loop: take an input that was worth keeping,
 * change it a little, run it; keep it if it ran a block of the sources, or
 * came to an outcome, that no input before has.
 *
 * Asking V8 for the blocks costs a thousand times more than a check, so many
 * inputs run between two questions; only where something was new are they run
 * again, half by half, to find those that made it so.
 */
import type { FuzzTarget } from './fuzz-target.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

/** A question costs 30 ms; the longer nothing was new, the rarer they come. */
const minBatch = 64;
const maxBatch = 4_096;
/** Of our own processor time, so that a busy machine does not matter. */
const slowMs = 2_000;

/** Names of what has run since it was last asked. */
export interface Coverage {
  take(): Set<string>;
}

export interface FuzzLimits {
  readonly seed: number;
  /** Checks, and time: whichever is reached first. */
  readonly maxRuns: number;
  readonly maxMs: number;
}

export interface Finding {
  readonly input: Buffer;
  readonly error: unknown;
}

export interface FuzzOutcome {
  readonly runCount: number;
  readonly featureCount: number;
  /** Inputs that did something no other does. */
  readonly kept: readonly Buffer[];
  readonly finding: Finding | null;
}

export class FuzzLoop {
  readonly #target: FuzzTarget;
  readonly #coverage: Coverage;
  readonly #features = new Set<string>();
  readonly #kept: Buffer[] = [];
  #runCount = 0;
  #finding: Finding | null = null;

  constructor(target: FuzzTarget, coverage: Coverage) {
    this.#target = target;
    this.#coverage = coverage;
  }

  run(corpus: readonly Buffer[], limits: FuzzLimits): FuzzOutcome {
    const random = new Random(limits.seed);
    const endAtMs = Date.now() + limits.maxMs;
    this.#coverage.take();
    // Short ones first: of two that do the same the shorter one is kept.
    for (const input of corpus.toSorted((a, b) => a.length - b.length)) {
      this.#keepNew([input]);
    }
    if (this.#kept.length === 0) {
      this.#kept.push(Buffer.from(''));
    }
    let batchSize = minBatch;
    while (
      this.#finding === null &&
      this.#runCount < limits.maxRuns &&
      Date.now() < endAtMs
    ) {
      const inputs = Array.from({ length: batchSize }, () =>
        mutate(
          // What came last has been tried least.
          random.below(2) === 0
            ? this.#kept.at(-1 - random.below(Math.min(16, this.#kept.length)))!
            : random.pick(this.#kept),
          { kept: this.#kept, dictionary: this.#target.dictionary },
          random,
        ),
      );
      const keptBefore = this.#kept.length;
      this.#keepNew(inputs);
      batchSize =
        this.#kept.length > keptBefore
          ? minBatch
          : Math.min(2 * batchSize, maxBatch);
    }
    return {
      runCount: this.#runCount,
      featureCount: this.#features.size,
      kept: this.#kept,
      finding: this.#finding && {
        ...this.#finding,
        input: this.#shrunk(this.#finding),
      },
    };
  }

  #keepNew(inputs: readonly Buffer[]): void {
    const found = this.#featuresOf(inputs);
    if (this.#finding !== null) {
      return;
    }
    const isNew = [...found].some((feature) => !this.#features.has(feature));
    if (!isNew) {
      return;
    }
    if (inputs.length === 1) {
      found.forEach((feature) => this.#features.add(feature));
      this.#kept.push(inputs[0]!);
      return;
    }
    const half = inputs.length >> 1;
    this.#keepNew(inputs.slice(0, half));
    this.#keepNew(inputs.slice(half));
  }

  #featuresOf(inputs: readonly Buffer[]): Set<string> {
    const outcomes = new Set<string>();
    const before = process.cpuUsage();
    for (const input of inputs) {
      try {
        outcomes.add(this.#target.check(input));
      } catch (error) {
        this.#finding ??= { input, error };
      }
    }
    this.#runCount += inputs.length;
    const spent = process.cpuUsage(before);
    if ((spent.user + spent.system) / 1_000 > slowMs) {
      if (inputs.length === 1) {
        this.#finding ??= { input: inputs[0]!, error: new Error('slow') };
      } else {
        inputs.forEach((input) => this.#featuresOf([input]));
      }
    }
    for (const block of this.#coverage.take()) {
      outcomes.add(block);
    }
    return outcomes;
  }

  /** The input without what the failure does not need. */
  #shrunk({ input, error }: Finding): Buffer {
    const message = plainMessage(error);
    let shortest = input;
    for (let cut = input.length >> 1; cut > 0; cut >>= 1) {
      for (let at = 0; at + cut <= shortest.length;) {
        const shorter = Buffer.concat([
          shortest.subarray(0, at),
          shortest.subarray(at + cut),
        ]);
        if (this.#failsAs(shorter, message)) {
          shortest = shorter;
        } else {
          at += cut;
        }
      }
    }
    return shortest;
  }

  #failsAs(input: Buffer, message: string): boolean {
    try {
      this.#target.check(input);
      return false;
    } catch (error) {
      return plainMessage(error) === message;
    }
  }
}

/** The first line, without what differs from input to input. */
function plainMessage(error: unknown): string {
  return String(error).split('\n', 1)[0]!.slice(0, 60).replaceAll(/\d+/g, '#');
}
