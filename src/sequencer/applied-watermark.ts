import type { Timestamp } from '../mutation/timestamp.ts';
import type { SequencerContext } from './sequencer.ts';

/** While the target keeps the watermark, staging hears of it this often. */
const recordEveryMs = 1_000;

/**
 * How far the target is, in memory and in staging.
 *
 * Order of events, never another:
 *
 *     target commits ── value moves ── staging's checkpoint moves
 *
 * so the recorded watermark may lie behind the truth and never before it.
 * Where the watermark also stands in the target, staging's copy serves
 * retirement and the operator, and a second's delay does no harm. Where it
 * cannot, staging's copy is all there is: it follows every commit.
 */
export class AppliedWatermark {
  readonly #context: SequencerContext;
  readonly #inTarget: boolean;
  #value: Timestamp;
  #recorded: Timestamp;
  #recordedAtMs = 0;
  #recording: Promise<void> | null = null;

  constructor(context: SequencerContext, value: Timestamp, inTarget: boolean) {
    this.#context = context;
    this.#inTarget = inTarget;
    this.#value = value;
    this.#recorded = value;
  }

  get value(): Timestamp {
    return this.#value;
  }

  /** A transaction through this time has been committed at the target. */
  committed(through: Timestamp): void {
    this.#value = through;
    this.#context.observer.appliedThrough(through);
    if (
      !this.#inTarget ||
      performance.now() - this.#recordedAtMs > recordEveryMs
    ) {
      this.#recording ??= this.#recordInBackground();
    }
  }

  /** The target was restored; staging's copy has been set back already. */
  fallBackTo(value: Timestamp): void {
    this.#value = value;
    this.#recorded = value;
    this.#context.observer.appliedThrough(value);
  }

  /** Nothing is left to apply up to this time. */
  async advanceTo(through: Timestamp): Promise<void> {
    if (through <= this.#value) {
      return;
    }
    await this.record();
    if (through <= this.#value) {
      return;
    }
    this.#value = through;
    await this.#write(false);
    this.#context.observer.appliedThrough(through);
  }

  /** Resolves when staging knows the present value. */
  async record(): Promise<void> {
    while (this.#recording) {
      await this.#recording;
    }
    if (this.#recorded < this.#value) {
      await this.#write(this.#inTarget);
    }
  }

  async #recordInBackground(): Promise<void> {
    // A failure is left to record(), which repeats it and reports.
    await this.#write(this.#inTarget).catch(() => {});
    this.#recording = null;
  }

  async #write(inTarget: boolean): Promise<void> {
    const value = this.#value;
    this.#recordedAtMs = performance.now();
    await this.#context.store.commitApplied(
      this.#context.schema,
      value,
      inTarget,
    );
    this.#recorded = value;
  }
}
