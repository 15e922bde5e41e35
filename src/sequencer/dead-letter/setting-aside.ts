import { ReplicatorError } from '../../failure/failure.ts';
import type { Batch, JsonText } from '../../mutation/mutation.ts';
import {
  previousTimestamp,
  printTimestamp,
  type Timestamp,
} from '../../mutation/timestamp.ts';
import { createApplier } from '../../target/applier.ts';
import { type AttemptPlan, ladderFailures } from '../attempt-plan.ts';
import { tablesInShape } from '../reading/batch-tables.ts';
import { readBatches } from '../reading/read-batches.ts';
import type { SequencerContext } from '../sequencer.ts';
import { DeadLetterDesk, verdictName } from './desk.ts';
import { stagedVersions } from './giant-rows.ts';
import { type Culprit, isolate } from './isolate.ts';
import type { Verdict } from './route.ts';
import { type RowUnit, rowsOfUnits, rowUnits } from './row-units.ts';
import {
  findingsOf,
  takeApart,
  type TrialPlace,
  tryRows,
  wholeOrders,
} from './trials.ts';

/** Where a sweep has failed. */
export interface FailedPlace {
  readonly applied: Timestamp;
  /** The end of the batch that failed; null where none did. */
  readonly through: Timestamp | null;
  /** Failures at this place, this one included. */
  readonly failureCount: number;
  /** The batch was one source transaction, or of one row. */
  readonly isOneTransaction: boolean;
}

/**
 * So many times a giant transaction is tried: enough for ten bad rows among a
 * hundred thousand with a hundred others that refer to them.
 */
const giantTrials = 500;

/** How a sweep goes about its work while bad rows are looked for. */
export interface CarefulPlan extends AttemptPlan {
  readonly scanSize: number;
  /** Where the sweep must end; null where anything will do. */
  readonly through: Timestamp | null;
}

/** With as many rows as memory has room for. */
const wholeTransactions = {
  timestampLimit: 1,
  scanSize: 2 ** 31 - 1,
} as const;

/** A transaction that fails so often after its rows were found halts. */
const maxFindings = 3;

/** So many rows that wait for others are gone through to name one of them. */
const namingLimit = 20;

/**
 * What the consistent mode does with a row that will not go, where the policy
 * is to set it aside:
 *
 *     a batch fails     and has for all rungs of the ladder, where it may
 *                       have waited for others
 *     one by one        up to its end, one source transaction at a time, so
 *                       that the one that fails is known
 *     that one fails    its rows are found by trials that are taken back
 *     it comes again    without them; their letters are in its transaction
 *
 * Of a transaction that is written in parts only a part is in memory. Rows of
 * it that can never go are found in that part alone. Where that does not help
 * it is written and tried as a whole, if it fits into memory; else rows that
 * wait for others cannot be told, and halt.
 *
 * Invariant: a trial and the sweep after it read one transaction alone, with
 * the same limits. So what was tried is what is written.
 */
export class SettingAside {
  readonly #context: SequencerContext;
  readonly desk: DeadLetterDesk;
  #oneByOneThrough: Timestamp | null = null;
  #isOneByOne = false;
  /** The transaction that was tried: the next sweep ends with it. */
  #tried: Timestamp | null = null;
  /** One that came in parts, and comes as a whole while it is looked through. */
  #giant: Timestamp | null = null;
  /** One that does not fit into memory, or whose rows need one another too much. */
  #tooLarge: Timestamp | null = null;
  /** The part of a giant transaction that is being written. */
  #part: Batch | null = null;
  #last: { time: Timestamp; findingCount: number } | null = null;
  #hasRecounted = false;
  /** In words, the row that the failures at one place are about. */
  #row: { applied: Timestamp; code: string; row: string } | null = null;

  constructor(context: SequencerContext) {
    this.#context = context;
    this.desk = new DeadLetterDesk(context, true);
  }

  /** Before a sweep. Null: nothing asks for more care than usual. */
  async begin(
    applied: Timestamp,
    signal: AbortSignal,
  ): Promise<CarefulPlan | null> {
    await this.desk.load(signal);
    this.#part = null;
    this.#isOneByOne = this.#oneByOneThrough !== null && !this.isPast(applied);
    if (!this.#isOneByOne) {
      this.#oneByOneThrough = null;
      this.#tried = null;
      return null;
    }
    if (this.#tried !== null && this.#tried <= applied) {
      this.#tried = null;
    }
    return {
      parallelism: 1,
      order: 'upserts-first',
      ...wholeTransactions,
      through: this.#tried,
    };
  }

  /** The place for which the sweep took more care lies behind. */
  isPast(applied: Timestamp): boolean {
    return this.#oneByOneThrough !== null && applied >= this.#oneByOneThrough;
  }

  submitting(batch: Batch): void {
    if (!batch.complete || this.#part !== null) {
      this.#part = batch;
    }
  }

  committed(batch: Batch): void {
    this.desk.committed(batch);
    if (this.#part?.through === batch.through) {
      this.#part = null;
    }
    this.#hasRecounted = false;
  }

  /**
   * True: something was found out, and the next sweep is another one. Rejects
   * with what stood in the way of that, or of setting rows aside.
   */
  async handle(
    failure: ReplicatorError,
    place: FailedPlace,
    signal: AbortSignal,
  ): Promise<boolean> {
    let isFound = false;
    try {
      isFound = await this.#find(failure, place, signal);
    } finally {
      if (!isFound) {
        // Whoever mends the cause while it waits shall find nothing left out.
        this.desk.dropFindings();
        if (failure.disposition === 'retry') {
          // They are found again, and were not wrong.
          this.#last = null;
        }
      }
    }
    return isFound;
  }

  async #find(
    failure: ReplicatorError,
    place: FailedPlace,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (failure.code === 'E3013' && !this.#hasRecounted) {
      // Some may have been retried or discarded since they were counted.
      this.#hasRecounted = true;
      await this.desk.room(signal);
      return true;
    }
    const { disposition } = failure;
    if (
      this.#context.options.onRowError !== 'deadLetter' ||
      (disposition !== 'set-aside' && disposition !== 'defer') ||
      place.through === null
    ) {
      return false;
    }
    const isPart = this.#part?.through === place.through;
    if (isPart) {
      if (disposition === 'set-aside' && (await this.#takePart(signal))) {
        return true;
      }
      if (this.#isOneByOne) {
        this.#tooLarge = place.through;
      }
      if (this.#tooLarge === place.through) {
        // Of its parts another order is the only remedy, and the ladder's.
        this.#oneByOneThrough = null;
        return false;
      }
    } else if (this.#isOneByOne) {
      return await this.#takeTransaction(place.through, signal);
    }
    // Rows of a part most likely wait for those that were found in another one.
    const mayPass =
      disposition === 'defer' &&
      place.failureCount < ladderFailures &&
      !this.desk.hasFinding(place.through);
    if (mayPass) {
      return false;
    }
    this.#oneByOneThrough = place.through;
    this.#giant = isPart ? place.through : null;
    return true;
  }

  /**
   * The failure with the row that it is about, where one source transaction
   * is to blame and its rows can be told apart. Asked of the same place again
   * it says the same.
   */
  async named(
    failure: ReplicatorError,
    place: FailedPlace,
    signal: AbortSignal,
  ): Promise<ReplicatorError> {
    const { disposition, code } = failure;
    if (disposition !== 'set-aside' && disposition !== 'defer') {
      return failure;
    }
    if (this.#row?.applied !== place.applied || this.#row.code !== code) {
      this.#row = null;
      const isPart = this.#part?.through === place.through;
      if (place.through === null || !place.isOneTransaction || isPart) {
        return failure;
      }
      const row = await this.#firstCulprit(place.through, disposition, signal);
      if (row === null) {
        return failure;
      }
      this.#row = { applied: place.applied, code, row };
    }
    return new ReplicatorError(code, {
      detail: `${failure.message}: ${this.#row.row}`,
      cause: failure.cause,
      remedy:
        this.#context.options.onRowError === 'halt'
          ? `${failure.remedy}; or have such rows set aside (--onRowError deadLetter)`
          : failure.remedy,
      disposition,
    });
  }

  async #firstCulprit(
    time: Timestamp,
    disposition: 'set-aside' | 'defer',
    signal: AbortSignal,
  ): Promise<string | null> {
    const culprits: Culprit<RowUnit>[] = [];
    try {
      const batch = await this.#read(time, signal);
      if (batch?.complete) {
        const tables = await this.desk.withoutLetters(
          tablesInShape(batch.tables, this.#context.shape()),
          signal,
        );
        const { aside } = await takeApart(
          this.#place(),
          tables,
          {
            orders: wholeOrders,
            // One that only seemed to be in the way may go with others.
            limit: disposition === 'set-aside' ? 0 : namingLimit,
            onCulprit: (culprit) => culprits.push(culprit),
          },
          signal,
        );
        culprits.splice(0, Infinity, ...aside);
      }
    } catch {
      signal.throwIfAborted();
    }
    const unit = culprits[0]?.unit;
    return unit
      ? `row ${unit.mutations.at(-1)!.key} of ${this.desk.nameOf(unit.table)}, changed at ${printTimestamp(time)}`
      : null;
  }

  /** False: the search has been given up. */
  async #takeTransaction(
    time: Timestamp,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#countFinding(time);
    this.desk.drop(time);
    this.#tried = time;
    const limit = await this.desk.room(signal);
    const shape = this.#context.shape();
    const batch = await this.#read(time, signal);
    if (!batch?.complete) {
      // The next sweep reads it so too, and a part of it is taken instead.
      return true;
    }
    const tables = await this.desk.withoutLetters(
      tablesInShape(batch.tables, shape),
      signal,
    );
    const place = this.#place();
    const trialLimit = this.#giant === time ? giantTrials : undefined;
    try {
      const { aside, order } = await takeApart(
        place,
        tables,
        { orders: wholeOrders, limit, ...(trialLimit && { trialLimit }) },
        signal,
      );
      const finding = findingsOf(place, aside, order).get(time);
      this.desk.add(time, finding ?? { verdicts: new Map(), order });
      return true;
    } catch (error) {
      if (error instanceof ReplicatorError && error.disposition === 'defer') {
        this.#tooLarge = time;
        this.#oneByOneThrough = null;
        return false;
      }
      throw error;
    }
  }

  /**
   * The part alone lacks what was written before it, so that here only what
   * can never go tells anything. False: nothing was found.
   */
  async #takePart(signal: AbortSignal): Promise<boolean> {
    const part = this.#part!;
    const place = this.#place();
    const limit = await this.desk.room(signal);
    const tables = await this.desk.withoutLetters(
      tablesInShape(part.tables, this.#context.shape()),
      signal,
    );
    const never = async (
      units: readonly RowUnit[],
    ): Promise<ReplicatorError | null> => {
      const rows = rowsOfUnits(tables, units);
      const answer = await tryRows(place, rows, ['part'], signal);
      return answer instanceof ReplicatorError && answer.disposition !== 'defer'
        ? answer
        : null;
    };
    const units = rowUnits(tables);
    const culprits = [...(await isolate(units, never, { limit })).aside];
    // What waits may hide what never goes: then each row speaks for itself.
    for (const unit of culprits.length === 0 ? units : []) {
      culprits.push(...(await isolate([unit], never, { limit })).aside);
    }
    if (culprits.length === 0) {
      return false;
    }
    const verdicts = new Map(
      findingsOf(place, culprits, null).get(part.through)?.verdicts,
    );
    await this.#completeVersions(part.through, verdicts, signal);
    this.desk.add(part.through, { verdicts, order: null });
    return true;
  }

  /** Of a giant's rows all versions are kept, with all of their columns. */
  async #completeVersions(
    time: Timestamp,
    verdicts: Map<string, Verdict>,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = new Map<string, Set<JsonText>>();
    for (const name of verdicts.keys()) {
      const [table, key] = name.split('\u0000') as [string, JsonText];
      wanted.set(table, (wanted.get(table) ?? new Set()).add(key));
    }
    const found = await stagedVersions(this.#context, time, wanted, signal);
    for (const [table, rows] of found) {
      for (const [key, mutations] of rows) {
        const name = verdictName(table, key);
        verdicts.set(name, { ...verdicts.get(name)!, mutations });
      }
    }
  }

  #countFinding(time: Timestamp): void {
    const findingCount =
      this.#last?.time === time ? this.#last.findingCount + 1 : 1;
    this.#last = { time, findingCount };
    if (findingCount > maxFindings) {
      this.#last = null;
      throw new ReplicatorError('E3014');
    }
  }

  async #read(time: Timestamp, signal: AbortSignal): Promise<Batch | null> {
    const { store, schema, options } = this.#context;
    const limits = { ...options, ...wholeTransactions };
    for await (const batch of readBatches(
      store,
      schema,
      previousTimestamp(time),
      time,
      limits,
      this.#context.shape(),
      signal,
    )) {
      return batch;
    }
    return null;
  }

  #place(): TrialPlace {
    const { target, options, ahead } = this.#context;
    const applier = createApplier({
      collapse: options.collapseMutations,
      ignoreUnknownColumns: options.ignoreUnknownColumns,
    });
    return {
      target,
      // What has gone ahead is no matter of trials either.
      applier: ahead?.behind(applier) ?? applier,
      nameOf: (table) => this.desk.nameOf(table),
    };
  }
}
