/** Where contract tests keep a staging store, and rows to put into it. */
import { decodeEntry, encodeEntries } from '../../src/staging/batch-codec.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import {
  maxTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import type {
  EntrySummary,
  NewEntry,
  StagedEntry,
  StagingStore,
} from '../../src/staging/staging.ts';

/** One place that can hold a store: a folder, a database. */
export interface StagingPlace extends AsyncDisposable {
  /** Opens the store of a daemon; several times in a row, not at once. */
  readonly open: () => Promise<StagingStore>;
  /** Opens the store as `staging list` does, also beside an open one. */
  readonly openBeside: () => Promise<StagingStore>;
  /** Writes another version into the version table of the closed store. */
  setVersion(version: number): Promise<void>;
}

export const schema = schemaName(['shop', 'public']);
export const otherSchema = schemaName(['shop', 'Weird "name"']);

/** A time in the second `second` of some day, `step` places later. */
export function at(second: number, step = 0): Timestamp {
  return `${1_700_000_000 + second}${String(step).padStart(9, '0')}.0000000000` as Timestamp;
}

export function row(time: Timestamp, key: string, after = '{"v":1}'): Mutation {
  return {
    time,
    key: `["${key}"]` as JsonText,
    after: after as JsonText,
    before: null,
  };
}

export function entriesOf(...mutations: Mutation[]): NewEntry[] {
  return encodeEntries(schema, [{ table: 'orders', mutations }]);
}

/** As a store gives it back. */
export function staged(entry: NewEntry): StagedEntry {
  return { ...entry, id: '000000000007', byteCount: entry.body.length };
}

export const everything = {
  after: zeroTimestamp,
  through: maxTimestamp,
  limitBytes: 1 << 30,
  limitRows: 1 << 30,
} as const;

export async function readAll(
  store: StagingStore,
  window: Partial<typeof everything> & {
    after?: Timestamp;
    through?: Timestamp;
  } = {},
): Promise<StagedEntry[]> {
  const all: StagedEntry[] = [];
  let cursor: EntrySummary | null = null;
  for (;;) {
    const page: StagedEntry[] = await store.read(schema, {
      ...everything,
      ...window,
      cursor,
    });
    if (page.length === 0) {
      return all;
    }
    all.push(...page);
    cursor = page.at(-1)!;
  }
}

export async function keys(store: StagingStore): Promise<string[]> {
  const entries = await readAll(store);
  return entries.flatMap((entry) =>
    decodeEntry(entry).map((mutation) => mutation.key),
  );
}

/** A fresh place with its store open. */
export async function withStore(
  place: () => Promise<StagingPlace>,
  run: (store: StagingStore, at: StagingPlace) => Promise<void>,
): Promise<void> {
  await using here = await place();
  await using store = await here.open();
  await run(store, here);
}
