import { setTimeout as sleep } from 'node:timers/promises';

import type { TableMutations } from '../../mutation/mutation.ts';
import { maxTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import { decodeTable, isPartEnd } from '../../staging/batch-codec.ts';
import type { EntrySummary, StagedEntry } from '../../staging/staging.ts';
import type { SequencerContext } from '../sequencer.ts';

/** Of what may be held while reading, so much for one page. */
const pageShare = 8;

/** How often it looks whether there is room again. */
const roomPollMs = 10;

export interface ScanTaker {
  /** False when rows were let be. */
  admit(tables: readonly TableMutations[]): boolean;
  /** False when there is no sense in reading on. */
  mayGoOn(): boolean;
  /** Reading waits while this is so. */
  isFull(): boolean;
}

/**
 * Finds rows in the log that were not handed over in memory: staged before the
 * mode was switched on, let be for want of room, or staged by another daemon.
 *
 * A look goes through everything beyond the watermark, from its beginning. On
 * staging that others share it goes on from its end, again and again; what
 * they stage before that place in time is left to the sweep.
 */
export class AheadScan {
  readonly #context: SequencerContext;
  readonly #taker: ScanTaker;
  #hasMissed = true;
  #cursor: EntrySummary | null = null;

  constructor(context: SequencerContext, taker: ScanTaker) {
    this.#context = context;
    this.#taker = taker;
  }

  /** Rows are in the log that nobody will hand over any more. */
  missed(): void {
    this.#hasMissed = true;
  }

  /** One look, if there is reason for one, and a pause. */
  async run(
    applied: Timestamp,
    pauseMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const isShared = this.#context.store.kind !== 'sqlite';
    if (this.#taker.mayGoOn() && (this.#hasMissed || isShared)) {
      if (this.#hasMissed) {
        this.#cursor = null;
      }
      this.#hasMissed = false;
      await this.#look(applied, signal).catch(() => this.missed());
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }

  async #look(after: Timestamp, signal: AbortSignal): Promise<void> {
    const { store, schema, options } = this.#context;
    for (;;) {
      const entries = await store.read(
        schema,
        {
          after,
          through: maxTimestamp,
          cursor: this.#cursor,
          limitRows: Math.ceil(options.scanSize / pageShare),
          limitBytes: options.readBudgetBytes / pageShare,
        },
        signal,
      );
      if (entries.length === 0) {
        return;
      }
      for (const entry of entries) {
        if (!(await this.#take(entry, signal))) {
          this.missed();
          return;
        }
      }
      this.#cursor = entries.at(-1)!;
    }
  }

  async #take(entry: StagedEntry, signal: AbortSignal): Promise<boolean> {
    const taker = this.#taker;
    while (taker.mayGoOn() && taker.isFull()) {
      await sleep(roomPollMs, undefined, { signal });
    }
    return (
      taker.mayGoOn() && (isPartEnd(entry) || taker.admit([decodeTable(entry)]))
    );
  }
}
