import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  laterTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { Progress } from './redelivery.ts';

/** Since when a table is known, and whether its first scan is over. */
export interface TableMark {
  /** Its rows at or before this were staged one tick after it, while it was scanned. */
  readonly since: Timestamp;
  readonly isSettled: boolean;
  /** The same of scans before that one. */
  readonly earlier: readonly Timestamp[];
  /** At or before this it is not known under which time rows were staged. */
  readonly vagueThrough: Timestamp;
}

/** As a memo: `since` is null after `staging rescan`, which begins another scan. */
type StoredMark = Omit<TableMark, 'since'> & {
  readonly since: Timestamp | null;
};

/** The watermark at the target; zero where it keeps none. Rejects when it does not answer. */
export type TargetApplied = () => Promise<Timestamp>;

/** How all marks stood in one memo, before there was one a table: null is settled. */
type FormerMarks = ReadonlyMap<string, Timestamp | null>;

/**
 * Which tables have delivered, one memo a table, shared by all daemons:
 *
 *     (none) ──── seen first, R0 = what is resolved then ──► scanned since R0
 *     scanned since R0 ──── resolved beyond R0 ──► settled
 *     any ──── staging rescan ──► forgotten ──── seen ──► scanned since R1
 *
 * Each step is an exchange of the memo, which one daemon wins; the others take
 * what it wrote. R0 is read from staging: were it older than what is applied,
 * rows would be staged where nobody looks any more. Staging that was purged does
 * not know what is applied until a leader has claimed the watermark: where it
 * knows of nothing the target is asked, and no table begins before it answers.
 */
export class TableMarks {
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  readonly #former: FormerMarks;
  readonly #targetApplied: TargetApplied;
  /** As last seen, which may be long ago. */
  readonly #known = new Map<string, TableMark>();
  readonly #scanned = new Set<string>();

  private constructor(
    store: StagingStore,
    schema: SchemaName,
    former: FormerMarks,
    targetApplied: TargetApplied,
  ) {
    this.#store = store;
    this.#schema = schema;
    this.#former = former;
    this.#targetApplied = targetApplied;
  }

  static async load(
    store: StagingStore,
    schema: SchemaName,
    targetApplied: TargetApplied,
  ): Promise<TableMarks> {
    const former = await formerMarks(store, schema);
    return new TableMarks(store, schema, former, targetApplied);
  }

  /** As last seen; undefined for a table that this daemon does not know. */
  get(table: string): TableMark | undefined {
    return this.#known.get(table);
  }

  /** Reads it anew; begins it where nobody has. */
  async look(table: string, local: Progress): Promise<TableMark> {
    const name = markMemo(this.#schema, table);
    for (;;) {
      const text = await this.#store.memo(name);
      const there = text === null ? null : readMark(text);
      if (isBegun(there)) {
        return this.#note(table, there);
      }
      const begun = await this.#begin(table, there, local);
      const won = await this.#store.exchangeMemo(name, text, printMark(begun));
      const mark = won === null ? null : readMark(won);
      if (isBegun(mark)) {
        return this.#note(table, mark);
      }
    }
  }

  /** Something beyond `since` is resolved: the scan is over, for ever. */
  async settle(table: string, mark: TableMark): Promise<TableMark | null> {
    const settled = { ...mark, isSettled: true };
    const won = await this.#store.exchangeMemo(
      markMemo(this.#schema, table),
      printMark(mark),
      printMark(settled),
    );
    const there = won === null ? null : readMark(won);
    if (isBegun(there)) {
      return this.#note(table, there);
    }
    this.#forget(table);
    return null;
  }

  /** Settles the tables that this daemon saw scanned before the time. */
  async settleThrough(resolved: Timestamp): Promise<void> {
    for (const table of this.#scanned) {
      const mark = this.#known.get(table)!;
      if (resolved > mark.since) {
        await this.settle(table, mark);
      }
    }
  }

  async #begin(
    table: string,
    there: StoredMark | null,
    local: Progress,
  ): Promise<TableMark> {
    const { resolved, applied } = await this.#store.checkpoint(this.#schema);
    const since = [
      local.resolved,
      local.applied,
      resolved,
      applied === zeroTimestamp ? await this.#targetApplied() : applied,
    ].reduce(laterTimestamp);
    return there === null
      ? firstMark(this.#former.get(table), since)
      : { ...there, since };
  }

  #note(table: string, mark: TableMark): TableMark {
    this.#known.set(table, mark);
    if (mark.isSettled) {
      this.#scanned.delete(table);
    } else {
      this.#scanned.add(table);
    }
    return mark;
  }

  #forget(table: string): void {
    this.#known.delete(table);
    this.#scanned.delete(table);
  }
}

/**
 * Forgets that the table has delivered (`staging rescan`): the next rows of it
 * count as a scan. False where nothing was known of it.
 */
export async function forgetMark(
  store: StagingStore,
  schema: SchemaName,
  table: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const name = markMemo(schema, table);
  for (;;) {
    const text = await store.memo(name, signal);
    const there =
      text === null ? await formerMark(store, schema, table) : readMark(text);
    if (there === null) {
      return false;
    }
    if (there.since === null) {
      return true;
    }
    const forgotten = printMark({
      ...there,
      since: null,
      isSettled: false,
      earlier: [...there.earlier, there.since],
    });
    if ((await store.exchangeMemo(name, text, forgotten)) === forgotten) {
      return true;
    }
  }
}

/** Whether the table is known to have delivered. */
export async function hasMark(
  store: StagingStore,
  schema: SchemaName,
  table: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const text = await store.memo(markMemo(schema, table), signal);
  return text === null
    ? (await formerMarks(store, schema)).has(table)
    : isBegun(readMark(text));
}

function isBegun(mark: StoredMark | null): mark is TableMark {
  return mark !== null && mark.since !== null;
}

/** Of a settled one it was not kept since when it was scanned. */
function firstMark(
  former: Timestamp | null | undefined,
  since: Timestamp,
): TableMark {
  return former === null
    ? { since, isSettled: true, earlier: [], vagueThrough: since }
    : {
        since: former ?? since,
        isSettled: false,
        earlier: [],
        vagueThrough: zeroTimestamp,
      };
}

async function formerMark(
  store: StagingStore,
  schema: SchemaName,
  table: string,
): Promise<TableMark | null> {
  const former = (await formerMarks(store, schema)).get(table);
  return former === undefined
    ? null
    : firstMark(former, await furthest(store, schema));
}

async function formerMarks(
  store: StagingStore,
  schema: SchemaName,
): Promise<FormerMarks> {
  const text = await store.memo(`delivered-tables:${schema}`);
  return new Map(
    Object.entries(
      JSON.parse(text ?? '{}') as Record<string, Timestamp | null>,
    ),
  );
}

async function furthest(
  store: StagingStore,
  schema: SchemaName,
): Promise<Timestamp> {
  const { resolved, applied } = await store.checkpoint(schema);
  return laterTimestamp(resolved, applied);
}

function markMemo(schema: SchemaName, table: string): string {
  return `delivered-table:${schema}:${table}`;
}

function readMark(text: string): StoredMark {
  return JSON.parse(text) as StoredMark;
}

/** Always in this form: memos are compared as text. */
function printMark(mark: StoredMark): string {
  const { since, isSettled, earlier, vagueThrough } = mark;
  return JSON.stringify({ since, isSettled, earlier, vagueThrough });
}
