import { asReplicatorError } from '../../failure/failure.ts';
import { textHash } from '../../lib/text-hash.ts';
import {
  type JsonText,
  type Mutation,
  rowBytes,
  type TableMutations,
} from '../../mutation/mutation.ts';
import { versionOf } from '../../mutation/row-version.ts';
import {
  laterTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import { createApplier } from '../../target/applier.ts';
import { anySparse } from '../../target/row-shape.ts';
import type { EpochFence, SchemaShape } from '../../target/target.ts';
import { joinedBatch, tablesInShape } from '../reading/batch-tables.ts';
import { readBatches } from '../reading/read-batches.ts';
import type { SequencerContext } from '../sequencer.ts';
import type { VersionGuard } from '../version-guard.ts';

/** One row, and the versions of it that may be at the target, in time order. */
interface RowVersions {
  readonly table: string;
  versions: readonly Mutation[];
}

/** Rows whose keys have a hash of this remainder. */
interface Part {
  readonly index: number;
  readonly count: number;
}

/** So often a part of the rows is halved, at most, until it fits into memory. */
const maxPartCount = 4_096;

/** Under what rows are applied. */
export interface AheadTerms {
  readonly shape: SchemaShape;
  /** What every commit is held to; null where the target keeps no epoch. */
  readonly fence: EpochFence | null;
}

export interface AheadWindow extends AheadTerms {
  readonly after: Timestamp;
  readonly through: Timestamp;
  readonly tables: ReadonlySet<string>;
  /** So many keys the guard may hold. */
  readonly maxKeys: number;
  /** Such rows have not gone ahead, and their versions may need one another. */
  readonly isSetAside: (table: string, key: JsonText) => boolean;
}

/**
 * Brings the rows of some tables to the newest version that is staged in the
 * window, and notes these in the guard. It is not known which of them are at
 * the target already, so no version crosses that is older than another one:
 * all of one row are folded into one, which is right over any of them, sparse
 * rows and deletes included.
 *
 * A row that the target refuses is not there: then the version before it is
 * tried. What is refused is left to the sweep, which comes to it in its turn.
 *
 * The log is read for each part of the rows that fits into memory. When
 * the guard is full what remains is left to the sweep too, version by version.
 * Resolves to the time of the latest row of which the guard may know nothing.
 */
export async function recoverAhead(
  context: SequencerContext,
  guard: VersionGuard,
  window: AheadWindow,
  signal: AbortSignal,
): Promise<Timestamp> {
  const parts: Part[] = [{ index: 0, count: 1 }];
  let unknown = zeroTimestamp;
  for (let part = parts.pop(); part; part = parts.pop()) {
    const { index, count } = part;
    const rows = await versionsOf(context, window, part, signal);
    if (rows === null) {
      parts.push({ index: index + count, count: 2 * count });
      parts.push({ index, count: 2 * count });
    } else {
      const room = Math.max(0, window.maxKeys - guard.keyCount);
      await applyNewest(context, guard, rows.slice(0, room), window, signal);
      for (const { versions } of rows.slice(room)) {
        unknown = laterTimestamp(unknown, versions.at(-1)!.time);
      }
    }
  }
  return unknown;
}

/** The rows are folded, applied and noted; refused versions are left out. */
export async function applyNewest(
  context: SequencerContext,
  guard: VersionGuard,
  rows: readonly RowVersions[],
  terms: AheadTerms,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < rows.length;) {
    const chunk = rows.slice(start, start + context.options.flushSize);
    start += chunk.length;
    if (!(await crosses(context, guard, chunk, terms, signal))) {
      for (const row of chunk) {
        await applyAlone(context, guard, row, terms, signal);
      }
    }
  }
}

/**
 * Null when they do not fit into memory.
 *
 * Rows go on being staged meanwhile. Of a row that the feed sends now, the log
 * as it is read in pages may show a version and not the one before it, which a
 * sparse version must not be without. So where there are sparse ones the log is
 * read again: it has all of what came before the versions that were seen then.
 * Later ones cannot have gone ahead, and are left to the sweep.
 */
async function versionsOf(
  context: SequencerContext,
  window: AheadWindow,
  part: Part,
  signal: AbortSignal,
): Promise<RowVersions[] | null> {
  let rows = await readVersions(context, window, part, () => true, signal);
  const areSparse = rows
    ?.values()
    .some(({ table, versions }) =>
      anySparse(window.shape.tables.get(table)!, versions),
    );
  if (rows !== null && areSparse) {
    const seen = new Map(
      [...rows].map(([name, { versions }]) => [
        name,
        versionOf(versions.at(-1)!),
      ]),
    );
    const wasSeen = (name: string, mutation: Mutation): boolean => {
      const newest = seen.get(name);
      return newest !== undefined && versionOf(mutation) <= newest;
    };
    rows = await readVersions(context, window, part, wasSeen, signal);
  }
  return rows && [...rows.values()];
}

/** By table and key; null when they do not fit into memory. */
async function readVersions(
  { store, schema, options }: SequencerContext,
  { after, through, tables, shape, isSetAside }: AheadWindow,
  { index, count }: Part,
  isWanted: (name: string, mutation: Mutation) => boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RowVersions> | null> {
  const rows = new Map<string, RowVersions & { versions: Mutation[] }>();
  let heldBytes = 0;
  const batches = readBatches(
    store,
    schema,
    after,
    through,
    options,
    shape,
    signal,
  );
  for await (const batch of batches) {
    for (const { table, mutations } of batch.tables) {
      // A table that is gone halts the sweep, by name.
      if (!tables.has(table) || !shape.tables.has(table)) {
        continue;
      }
      for (const mutation of mutations) {
        const name = `${table}\u0000${mutation.key}`;
        if (
          (textHash(mutation.key) >>> 0) % count !== index ||
          isSetAside(table, mutation.key) ||
          !isWanted(name, mutation)
        ) {
          continue;
        }
        const row = rows.get(name) ?? { table, versions: [] };
        rows.set(name, row);
        row.versions.push(mutation);
        heldBytes += rowBytes(mutation);
      }
    }
    if (heldBytes > options.readBudgetBytes && count < maxPartCount) {
      return null;
    }
  }
  return rows;
}

async function applyAlone(
  context: SequencerContext,
  guard: VersionGuard,
  { table, versions }: RowVersions,
  terms: AheadTerms,
  signal: AbortSignal,
): Promise<void> {
  for (let count = versions.length; count > 0; count -= 1) {
    const row = { table, versions: versions.slice(0, count) };
    if (await crosses(context, guard, [row], terms, signal)) {
      return;
    }
  }
}

/** False when the target refuses one of the rows. */
async function crosses(
  { target, options, observer, assertLeading }: SequencerContext,
  guard: VersionGuard,
  rows: readonly RowVersions[],
  terms: AheadTerms,
  signal: AbortSignal,
): Promise<boolean> {
  const tables: TableMutations[] = rows.map(({ table, versions }) => ({
    table,
    mutations: versions,
  }));
  const batch = joinedBatch(tables);
  const applier = createApplier({
    collapse: true,
    ignoreUnknownColumns: options.ignoreUnknownColumns,
  });
  const startedAtMs = performance.now();
  try {
    await using transaction = await target.begin(signal);
    await applier.apply(
      tablesInShape(batch.tables, terms.shape),
      transaction,
      signal,
    );
    assertLeading?.();
    await transaction.commit(terms.fence);
  } catch (error) {
    signal.throwIfAborted();
    const { disposition } = asReplicatorError(error);
    if (disposition === 'defer' || disposition === 'set-aside') {
      return false;
    }
    throw error;
  }
  guard.note(batch.tables);
  observer.batchCommitted(
    { ...batch, rowCount: rows.length },
    performance.now() - startedAtMs,
  );
  return true;
}
