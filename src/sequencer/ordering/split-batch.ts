import { textHash } from '../../lib/text-hash.ts';
import type { TableMutations } from '../../mutation/mutation.ts';
import { pickedTable } from '../../staging/placed-rows.ts';
import { standsAlone } from '../../target/lone-table.ts';
import type { SchemaShape } from '../../target/target.ts';

/** A batch in two; both are written in its one transaction. */
export interface SplitBatch {
  /** Rows that no unfinished elder has. */
  readonly free: readonly TableMutations[];
  /** The others: written when all elders have committed. */
  readonly shared: readonly TableMutations[];
}

/** For fewer free rows a transaction beside the elder's costs what it gains. */
const leastFree = 200;

/**
 * Null where the batch has to wait as a whole: in whatever order its rows are
 * written, and beside whichever rows of others, nobody may be able to tell. So
 * all of them are of tables that stand alone, and none gets another key.
 *
 * @param shared hashes of the keys that elders have (`textHash`), by table
 */
export function splitBatch(
  tables: readonly TableMutations[],
  shared: ReadonlyMap<string, ReadonlySet<number>>,
  shape: SchemaShape,
): SplitBatch | null {
  const free: TableMutations[] = [];
  const waiting: TableMutations[] = [];
  let freeCount = 0;
  for (const part of tables) {
    const table = shape.tables.get(part.table);
    if (!table || !standsAlone(table) || hasMoves(part)) {
      return null;
    }
    const hashes = shared.get(part.table);
    const isFree = isFreeOf(part, hashes ?? nothing);
    const count = isFree.reduce((sum, each) => sum + each, 0);
    freeCount += count;
    if (count > 0) {
      free.push(count < isFree.length ? pickedTable(part, isFree, 1) : part);
    }
    if (count < isFree.length) {
      waiting.push(count > 0 ? pickedTable(part, isFree, 0) : part);
    }
  }
  return freeCount >= leastFree ? { free, shared: waiting } : null;
}

const nothing: ReadonlySet<number> = new Set();

/** Rows that are left encoded have not moved. */
function hasMoves(part: TableMutations): boolean {
  return (
    !part.encoded &&
    part.mutations.some(({ movedFrom }) => movedFrom !== undefined)
  );
}

/** Of each row 1 or 0. */
function isFreeOf(
  part: TableMutations,
  hashes: ReadonlySet<number>,
): Uint8Array {
  const keyHashes =
    part.encoded?.keyHashes ?? part.mutations.map(({ key }) => textHash(key));
  const isFree = new Uint8Array(keyHashes.length);
  for (let row = 0; row < isFree.length; row += 1) {
    isFree[row] = hashes.has(keyHashes[row]!) ? 0 : 1;
  }
  return isFree;
}
