/** Which units of one source transaction go, and which stand in the way. */
import { ReplicatorError } from '../../failure/failure.ts';

/** Null where the units go together, and nothing but them. */
export type Trial<Unit> = (
  units: readonly Unit[],
) => Promise<ReplicatorError | null>;

export interface Culprit<Unit> {
  readonly unit: Unit;
  readonly error: ReplicatorError;
}

export interface Isolation<Unit> {
  /** In the order given. Where there are any, they were tried together. */
  readonly goes: readonly Unit[];
  /** In the order given. */
  readonly aside: readonly Culprit<Unit>[];
}

export interface IsolateOptions<Unit> {
  /** Called with each unit that does not go as it is found. */
  readonly onCulprit?: (culprit: Culprit<Unit>) => void;
  /** More culprits than this end the search (E3013). */
  readonly limit: number;
}

/** So many culprits are still tried two by two. */
const pairLimit = 10;

/**
 * Finds units to set aside so that the rest goes.
 *
 *     bisect   what goes grows: a run of units that goes with it joins it,
 *              one that does not is halved, down to single units
 *     again    units that waited for another one (`defer`: its parent, its
 *              unique value) are tried again, together and apart, for as long
 *              as what goes has grown; then two by two, for two that swap
 *
 * Invariant: `goes` has passed a trial as it stands. So the answer is right
 * whatever the trials say, and each step joins or discards a unit, so that it
 * ends. Of `k` bad units it takes O(k log n) trials. Units should come in the
 * order in which they need one another.
 *
 * A failure of `retry` or `halt` is no verdict on a unit, and is thrown.
 */
export async function isolate<Unit>(
  units: readonly Unit[],
  trial: Trial<Unit>,
  options: IsolateOptions<Unit>,
): Promise<Isolation<Unit>> {
  const search = new Search(units, trial, options);
  await search.run();
  return search.result();
}

class Search<Unit> {
  readonly #units: readonly Unit[];
  readonly #trial: Trial<Unit>;
  readonly #options: IsolateOptions<Unit>;
  /** Places of what goes, ascending. */
  #goes: readonly number[] = [];
  readonly #aside = new Map<number, ReplicatorError>();

  constructor(
    units: readonly Unit[],
    trial: Trial<Unit>,
    options: IsolateOptions<Unit>,
  ) {
    this.#units = units;
    this.#trial = trial;
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#sift(
      this.#units.map((_, place) => place),
      null,
    );
    let waiting = this.#waiting();
    let hasGrown = true;
    while (waiting.length > 0 && hasGrown) {
      const goesCount = this.#goes.length;
      await this.#sift(waiting, null);
      hasGrown = this.#goes.length > goesCount;
      waiting = this.#waiting();
    }
    if (waiting.length <= pairLimit) {
      await this.#tryPairs(waiting);
    }
  }

  result(): Isolation<Unit> {
    return {
      goes: this.#goes.map((place) => this.#units[place]!),
      aside: [...this.#aside]
        .toSorted(([a], [b]) => a - b)
        .map(([place, error]) => ({ unit: this.#units[place]!, error })),
    };
  }

  /** Culprits that may have waited for another one. */
  #waiting(): number[] {
    return [...this.#aside]
      .filter(([, { disposition }]) => disposition === 'defer')
      .map(([place]) => place)
      .toSorted((a, b) => a - b);
  }

  /** `known`: the failure of just this run, which was tried already. */
  async #sift(
    run: readonly number[],
    known: ReplicatorError | null,
  ): Promise<void> {
    const error = known ?? (await this.#join(run));
    if (run.length === 0 || error === null) {
      return;
    }
    if (run.length === 1) {
      this.#aside.set(run[0]!, error);
      const { limit, onCulprit } = this.#options;
      onCulprit?.({ unit: this.#units[run[0]!]!, error });
      if (this.#aside.size > limit) {
        throw new ReplicatorError('E3013', {
          detail: `more than ${limit} rows of one transaction would have to be set aside, the last one because ${error.message} (${error.code})`,
          cause: error,
        });
      }
      return;
    }
    const middle = run.length >>> 1;
    const goesCount = this.#goes.length;
    await this.#sift(run.slice(0, middle), null);
    const leftGoes = this.#goes.length - goesCount === middle;
    // With a left half that goes, the right one is what has failed as a whole.
    await this.#sift(run.slice(middle), leftGoes ? error : null);
  }

  /** Null, and the units are among what goes; else why they are not. */
  async #join(places: readonly number[]): Promise<ReplicatorError | null> {
    if (places.length === 0) {
      return null;
    }
    const joined = [...this.#goes, ...places].toSorted((a, b) => a - b);
    const error = await this.#trial(joined.map((place) => this.#units[place]!));
    if (error === null) {
      this.#goes = joined;
      for (const place of places) {
        this.#aside.delete(place);
      }
      return null;
    }
    const { disposition } = error;
    if (disposition === 'retry' || disposition === 'halt') {
      throw error;
    }
    return error;
  }

  async #tryPairs(waiting: readonly number[]): Promise<void> {
    for (const [index, first] of waiting.entries()) {
      for (const second of waiting.slice(index + 1)) {
        if (this.#aside.has(first) && this.#aside.has(second)) {
          await this.#join([first, second]);
        }
      }
    }
  }
}
