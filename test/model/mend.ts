/** Mends what strokes have left broken, the way applications do. */
import type { Random } from '../../src/workload/random.ts';
import { type Draft, uniqueCount } from './draft.ts';
import { keyText, refersTo, type Row } from './model-rows.ts';
import type { ModelForeignKey, ModelTable } from './random-schema.ts';

const maxMendings = 60;

/** Breaks by breaks, at random; false where it does not come to an end. */
export function mend(draft: Draft, random: Random): boolean {
  for (let round = 0; round < maxMendings; round += 1) {
    const isWhole = mendOnce(draft, random, round > maxMendings / 2);
    if (isWhole) {
      return true;
    }
  }
  return false;
}

/** Mends every break there is, once; true where there was none. */
function mendOnce(draft: Draft, random: Random, isHarsh: boolean): boolean {
  let isWhole = true;
  for (const [own, shape] of draft.schema.tables.entries()) {
    for (const [key, row] of draft.tables[own]!) {
      // An earlier mending may have taken it.
      if (draft.tables[own]!.get(key) !== row) {
        continue;
      }
      if (!mendRow(draft, own, shape, row, isHarsh, random)) {
        isWhole = false;
      }
    }
  }
  return isWhole;
}

function mendRow(
  draft: Draft,
  own: number,
  shape: ModelTable,
  row: Row,
  isHarsh: boolean,
  random: Random,
): boolean {
  const rows = draft.tables[own]!;
  const key = keyText(shape, row);
  for (const name of shape.columns) {
    if (row[name] === null && !shape.nullable.includes(name)) {
      rows.delete(key);
      return false;
    }
  }
  for (const link of shape.foreignKeys) {
    if (isMet(draft, link, row)) {
      continue;
    }
    const isOfKey = shape.key.includes(link.columns[0]!);
    if (isHarsh || random.chance(0.3)) {
      rows.delete(key);
    } else if (random.chance(0.4) || isOfKey) {
      draft.putParent(link, row, random);
    } else {
      draft.change(own, key, draft.reference(shape, link, random));
    }
    return false;
  }
  for (const { columns } of shape.uniqueKeys) {
    const other = columns.every((name) => row[name] !== null)
      ? [...rows].find(
          ([otherKey, each]) =>
            otherKey !== key &&
            columns.every((name) => each[name] === row[name]),
        )
      : undefined;
    if (other) {
      // Whichever was there first may be the one that gives way.
      const loser = random.chance(0.5) ? key : other[0];
      const isFree = columns.every(
        (name) =>
          !shape.foreignKeys.some((link) => link.columns.includes(name)),
      );
      if (isHarsh || !isFree || random.chance(0.3)) {
        rows.delete(loser);
      } else {
        const [name] = columns;
        const value = 1 + random.integer(uniqueCount * 4);
        draft.change(own, loser, { [name!]: value });
      }
      return false;
    }
  }
  return true;
}

function isMet(draft: Draft, link: ModelForeignKey, row: Row): boolean {
  return (
    link.columns.some((name) => row[name] === null) ||
    draft.tables[link.parent]!.values().some((parent) =>
      refersTo(link, row, parent),
    )
  );
}
