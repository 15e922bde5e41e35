import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  type Timestamp,
  timestampFromMs,
  wallTimeMs,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import type { StagingStore } from '../../staging/staging.ts';

/** So much source time is promised at once, so that the memo is written seldom. */
const stepMs = 10_000;

interface Memo {
  readonly through: Timestamp;
  readonly tables: readonly string[];
}

/**
 * How far rows may have gone ahead of the watermark, and of which tables:
 * a durable memo, written before the first such row is.
 *
 *     applied ─── rows that may be at the target already ─── through
 *
 * It is never cleared: at or below the watermark it says nothing, and the sweep
 * goes on as if nothing had ever gone ahead (`RunAhead.isNeeded`); when the
 * target is restored to an older state it holds again.
 */
export class AheadCeiling {
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  #through: Timestamp = zeroTimestamp;
  #tables: ReadonlySet<string> = new Set();
  /** The memo as last read or written. */
  #text: string | null = null;

  private constructor(store: StagingStore, schema: SchemaName) {
    this.#store = store;
    this.#schema = schema;
  }

  static async load(
    store: StagingStore,
    schema: SchemaName,
  ): Promise<AheadCeiling> {
    const ceiling = new AheadCeiling(store, schema);
    ceiling.#take(await store.memo(memoName(schema)));
    return ceiling;
  }

  /** True once any row has gone ahead, by whichever daemon. */
  get isUsed(): boolean {
    return this.#text !== null;
  }

  /** No row later than this has gone ahead. */
  get through(): Timestamp {
    return this.#through;
  }

  get tables(): ReadonlySet<string> {
    return this.#tables;
  }

  covers(table: string, time: Timestamp): boolean {
    return time <= this.#through && this.#tables.has(table);
  }

  /** Resolves when it is durable that rows of the tables go so far ahead. */
  async cover(
    tables: readonly string[],
    time: Timestamp,
    signal?: AbortSignal,
  ): Promise<void> {
    const step = timestampFromMs(wallTimeMs(time) + stepMs);
    await this.#raise(tables, time, { step, signal });
  }

  /** The same of rows that are ahead already, of which there will be no more. */
  async coverExactly(
    tables: readonly string[],
    time: Timestamp,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#raise(tables, time, { step: time, signal });
  }

  async #raise(
    tables: readonly string[],
    time: Timestamp,
    { step, signal }: { step: Timestamp; signal: AbortSignal | undefined },
  ): Promise<void> {
    while (!tables.every((table) => this.covers(table, time))) {
      const wanted: Memo = {
        through: this.#through >= time ? this.#through : step,
        tables: [...new Set([...this.#tables, ...tables])].toSorted(),
      };
      const text = JSON.stringify(wanted);
      const there = await this.#store.exchangeMemo(
        memoName(this.#schema),
        this.#text,
        text,
        signal,
      );
      // Another daemon may have been faster, and its word holds as well.
      this.#take(there);
    }
  }

  #take(text: string | null): void {
    const memo: Memo | null = text === null ? null : JSON.parse(text);
    this.#text = text;
    this.#through = memo?.through ?? zeroTimestamp;
    this.#tables = new Set(memo?.tables);
  }
}

function memoName(schema: SchemaName): string {
  return `ahead:${schema}`;
}
