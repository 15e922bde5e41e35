/** Which units of one source transaction go, and which stand in the way. */
import { ReplicatorError } from '../../failure/failure.ts';
import { strongComponents } from '../../lib/strong-components.ts';

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
  /**
   * Other units that a unit cannot do without, as far as is known: the answer
   * is the same without it, and costs more trials.
   */
  readonly needsOf?: (unit: Unit) => Iterable<Unit>;
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
 *     order    units come behind those that they need; those that need one
 *              another come together, as one
 *     bisect   what goes grows: a run of units that goes with it joins it,
 *              one that does not is halved, down to single units. Those that
 *              need one that does not go leave the run
 *     behind   what needs such a unit is tried all together, for that one may
 *              be at the target in an older version; else one by one
 *     again    units that waited for another one (`defer`: its parent, its
 *              unique value) are tried again, together and apart, for as long
 *              as what goes has grown; then two by two, for two that swap
 *
 * Invariant: `goes` has passed a trial as it stands, and a unit is set aside
 * for what a trial of nothing more beside `goes` has said: who mends the target
 * meanwhile shall not find good rows among the letters. So the answer is right
 * whatever the trials say, and each step joins or discards a unit, so that it
 * ends. Of `k` units that do not go it takes O(k log n) trials where what they
 * need is known, and about two for each that does not go for the sake of
 * another one.
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

/** Places of units that need one another; most often one. */
type Knot = readonly number[];

class Search<Unit> {
  readonly #units: readonly Unit[];
  readonly #trial: Trial<Unit>;
  readonly #options: IsolateOptions<Unit>;
  /** All, each behind those that it needs. */
  readonly #knots: readonly Knot[];
  readonly #needs: readonly (readonly number[])[];
  readonly #neededBy: readonly (readonly number[])[];
  /** Places of what goes, ascending. */
  #goes: readonly number[] = [];
  readonly #goesSet = new Set<number>();
  readonly #aside = new Map<number, ReplicatorError>();
  /** How many went when a unit failed by itself: with as many it fails again. */
  readonly #failedBeside = new Map<number, number>();
  /** Units of this round that need one that did not go, and which. */
  readonly #behind = new Map<number, number>();

  constructor(
    units: readonly Unit[],
    trial: Trial<Unit>,
    options: IsolateOptions<Unit>,
  ) {
    this.#units = units;
    this.#trial = trial;
    this.#options = options;
    const { needsOf } = options;
    const places = new Map(units.map((unit, place) => [unit, place]));
    this.#needs = units.map((unit) =>
      needsOf
        ? [...needsOf(unit)].flatMap((other) => places.get(other) ?? [])
        : [],
    );
    const neededBy: number[][] = units.map(() => []);
    for (const [place, needs] of this.#needs.entries()) {
      for (const other of needs) {
        neededBy[other]!.push(place);
      }
    }
    this.#neededBy = neededBy;
    this.#knots = strongComponents(
      units.map((_, place) => place),
      (place) => this.#needs[place]!,
    );
  }

  async run(): Promise<void> {
    await this.#round(this.#knots);
    for (let hasGrown = true; hasGrown;) {
      const goesCount = this.#goes.length;
      const waiting = new Set(this.#worthTrying());
      await this.#round(
        this.#knots
          .map((knot) => knot.filter((place) => waiting.has(place)))
          .filter((knot) => knot.length > 0),
      );
      if (this.#goes.length === goesCount) {
        await this.#tryPairs(this.#waiting());
      }
      hasGrown = this.#goes.length > goesCount;
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

  /** Those of them that may fare better together, or now. */
  #worthTrying(): number[] {
    return this.#waiting().filter(
      (place) =>
        this.#failedBeside.get(place) !== this.#goes.length ||
        this.#aside.get(place)!.code !== 'E4004' ||
        !this.#needs[place]!.some((other) => this.#aside.has(other)),
    );
  }

  /** Knots in their order, each of which joins what goes or is set aside. */
  async #round(knots: readonly Knot[]): Promise<void> {
    this.#behind.clear();
    const deferred = await this.#sift(knots, null);
    const runs = runsOf(deferred);
    while (runs.length > 0) {
      const run = runs.shift()!;
      for (const place of run.flat()) {
        this.#behind.delete(place);
      }
      runs.unshift(...runsOf(await this.#siftBehind(run)));
    }
  }

  /**
   * `known`: the failure of just this run, which was tried already. Resolves
   * to those that have turned out to need one that does not go.
   */
  async #sift(
    run: readonly Knot[],
    known: ReplicatorError | null,
  ): Promise<Deferred[]> {
    const error = known ?? (await this.#join(run.flat()));
    if (run.length === 0 || error === null) {
      return [];
    }
    if (run.length === 1) {
      await this.#refuse(run[0]!, error);
      return [];
    }
    const middle = run.length >>> 1;
    const goesCount = this.#goes.length;
    const left = run.slice(0, middle);
    const deferred = await this.#sift(left, null);
    const leftGoes = this.#goes.length - goesCount === left.flat().length;
    const right = this.#split(run.slice(middle));
    // With a left half that goes, the right one is what has failed as a whole.
    const isKnown =
      leftGoes && right.deferred.length === 0 && right.clear.length > 1;
    const more = await this.#sift(right.clear, isKnown ? error : null);
    return [...deferred, ...right.deferred, ...more];
  }

  /** Of units all of which need one that does not go. */
  async #siftBehind(run: readonly Knot[]): Promise<Deferred[]> {
    const deferred: Deferred[] = [];
    let left = run;
    while (left.length > 0) {
      const error = await this.#join(left.flat());
      if (error === null) {
        break;
      }
      const [first, ...rest] = left as [Knot, ...Knot[]];
      const ofFirst = rest.length > 0 ? await this.#join(first) : error;
      if (ofFirst === null) {
        deferred.push(...(await this.#sift(rest, error)));
        break;
      }
      await this.#refuse(first, ofFirst);
      const others = this.#split(rest);
      deferred.push(...others.deferred);
      left = others.clear;
    }
    return deferred;
  }

  #split(run: readonly Knot[]): { clear: Knot[]; deferred: Deferred[] } {
    const clear: Knot[] = [];
    const deferred: Deferred[] = [];
    for (const knot of run) {
      const cause = knot
        .map((place) => this.#behind.get(place))
        .find((each) => each !== undefined);
      if (cause === undefined) {
        clear.push(knot);
      } else {
        deferred.push({ knot, cause });
      }
    }
    return { clear, deferred };
  }

  async #refuse(knot: Knot, error: ReplicatorError): Promise<void> {
    if (knot.length === 1) {
      this.#setAside(knot[0]!, error);
    } else {
      await this.#untie(knot, error);
    }
    for (const place of knot) {
      if (this.#aside.has(place)) {
        this.#noteBehind(place);
      }
    }
  }

  /** Halves, down to single units: some may do with what is at the target. */
  async #untie(knot: Knot, known: ReplicatorError | null): Promise<void> {
    const error = known ?? (await this.#join(knot));
    if (error === null) {
      return;
    }
    if (knot.length === 1) {
      this.#setAside(knot[0]!, error);
      return;
    }
    const middle = knot.length >>> 1;
    const goesCount = this.#goes.length;
    await this.#untie(knot.slice(0, middle), null);
    const leftGoes = this.#goes.length - goesCount === middle;
    const isKnown = leftGoes && knot.length - middle > 1;
    await this.#untie(knot.slice(middle), isKnown ? error : null);
  }

  #noteBehind(cause: number): void {
    const reached = [cause];
    for (const place of reached) {
      for (const other of this.#neededBy[place]!) {
        if (!this.#goesSet.has(other) && !this.#behind.has(other)) {
          this.#behind.set(other, cause);
          reached.push(other);
        }
      }
    }
  }

  #setAside(place: number, error: ReplicatorError): void {
    this.#aside.set(place, error);
    const { limit, onCulprit } = this.#options;
    onCulprit?.({ unit: this.#units[place]!, error });
    if (this.#aside.size > limit) {
      throw new ReplicatorError('E3013', {
        detail: `more than ${limit} rows of one transaction would have to be set aside, the last one because ${error.message} (${error.code})`,
        cause: error,
      });
    }
  }

  /** Null, and the units are among what goes; else why they are not. */
  async #join(places: readonly number[]): Promise<ReplicatorError | null> {
    if (places.length === 0) {
      return null;
    }
    const [only] = places;
    if (
      places.length === 1 &&
      this.#failedBeside.get(only!) === this.#goes.length
    ) {
      return this.#aside.get(only!)!;
    }
    const joined = [...this.#goes, ...places].toSorted((a, b) => a - b);
    const error = await this.#trial(joined.map((place) => this.#units[place]!));
    if (error === null) {
      this.#goes = joined;
      for (const place of places) {
        this.#aside.delete(place);
        this.#goesSet.add(place);
      }
      return null;
    }
    const { disposition } = error;
    if (disposition === 'retry' || disposition === 'halt') {
      throw error;
    }
    if (places.length === 1) {
      this.#failedBeside.set(only!, this.#goes.length);
    }
    return error;
  }

  async #tryPairs(waiting: readonly number[]): Promise<void> {
    if (waiting.length > pairLimit) {
      return;
    }
    for (const [index, first] of waiting.entries()) {
      for (const second of waiting.slice(index + 1)) {
        if (this.#aside.has(first) && this.#aside.has(second)) {
          await this.#join([first, second]);
        }
      }
    }
  }
}

/** A knot and the unit for whose sake it comes later. */
interface Deferred {
  readonly knot: Knot;
  readonly cause: number;
}

/** Those of one cause together. */
function runsOf(deferred: readonly Deferred[]): Knot[][] {
  return Map.groupBy(deferred, ({ cause }) => cause)
    .values()
    .map((group) => group.map(({ knot }) => knot))
    .toArray();
}
