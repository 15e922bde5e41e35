import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { StagingStore } from '../../staging/staging.ts';

/** Resolved messages that are looked back at. */
const windowMessages = 48;
/** Steps back among them from which on it is two changefeeds. */
const stepsOfTwo = 12;

/** Where daemons share staging: its memos. */
export type SharedNotes = Pick<StagingStore, 'memo' | 'exchangeMemo'>;

/** A resolved message that lies before the highest one so far. */
export interface StepBack {
  /** Which message of the schema it was. */
  readonly number: number;
  readonly time: Timestamp;
  /** The highest one so far. */
  readonly height: Timestamp;
}

/**
 * Tells two changefeeds from one that is restarted, by their resolved
 * timestamps:
 *
 *     one, restarted    10 20 30 | 15 20 30 40 50 …      back once, then on
 *     two               100 50 110 60 120 70 130 80 …    back again and again
 *
 * Two of them go back with (about) every message, each time to a later place
 * than before, and reach a new height in between. A changefeed that is started
 * again with every fourth message, a dozen times in a row, looks the same.
 *
 * Only steps back are noted, each with its number among all messages; what one
 * feed sends goes to no place but the highest, and costs nothing. Where daemons
 * share staging they share the notes, in a memo: each hears but a part of it.
 */
export class ResolvedTrack {
  readonly #shared: SharedNotes | null;
  readonly #memo: string;
  /** Where they are not shared. */
  #steps: readonly StepBack[] = [];
  #height: Timestamp | null = null;

  constructor(shared: SharedNotes | null, schema: SchemaName) {
    this.#shared = shared;
    this.#memo = `resolved-steps:${schema}`;
  }

  async seesTwoFeeds(step: StepBack): Promise<boolean> {
    // One that catches up after a restart sends many.
    if (step.height === this.#height) {
      return false;
    }
    this.#height = step.height;
    if (this.#shared === null) {
      const { steps, isOfTwo } = withStep(this.#steps, step);
      this.#steps = steps;
      return isOfTwo;
    }
    let text = await this.#shared.memo(this.#memo);
    for (;;) {
      const noted = JSON.parse(text ?? '[]') as StepBack[];
      const { steps, isOfTwo } = withStep(noted, step);
      const wanted = JSON.stringify(steps);
      const won = await this.#shared.exchangeMemo(this.#memo, text, wanted);
      if (won === wanted) {
        return isOfTwo;
      }
      text = won;
    }
  }
}

/** Another alarm needs as much again. Daemons may note out of order. */
function withStep(
  noted: readonly StepBack[],
  step: StepBack,
): { steps: readonly StepBack[]; isOfTwo: boolean } {
  const near = [...noted, step]
    .filter(({ number }) => Math.abs(number - step.number) < windowMessages)
    .toSorted((a, b) => a.number - b.number);
  // Without a new height in between they are one step.
  const steps = near.filter(
    ({ height }, at) => at === 0 || height > near[at - 1]!.height,
  );
  const isOfTwo =
    steps.length >= stepsOfTwo &&
    steps.every(({ time }, at) => at === 0 || time > steps[at - 1]!.time);
  return { steps: isOfTwo ? [] : steps, isOfTwo };
}
