/** What transactions are made of, drawn at random. */
import fc from 'fast-check';
import { createRandom, type Random } from '../../src/workload/random.ts';
import type { Draft } from './draft.ts';
import { keyText, picked, pointing, refersTo, type Row } from './model-rows.ts';

const bulkFrom = 100;

/** One thing that a transaction does; the numbers are read as they come. */
export interface Stroke {
  readonly kind: number;
  readonly table: number;
  readonly row: number;
  readonly salt: number;
}

export const strokes: fc.Arbitrary<readonly (readonly Stroke[])[]> = fc.array(
  fc.array(
    fc.record({
      kind: fc.nat({ max: 99 }),
      table: fc.nat({ max: 30 }),
      row: fc.nat({ max: 30 }),
      salt: fc.nat({ max: 1_000_000 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  { minLength: 1, maxLength: 25, size: 'max' },
);

export function strike(draft: Draft, { kind, table, row, salt }: Stroke): void {
  const own = table % draft.schema.tables.length;
  const random = createRandom(salt);
  const shape = draft.schema.tables[own]!;
  const place = draft.place(shape, row);
  const key = keyText(shape, place);
  if (kind < 40) {
    draft.put(own, place, random);
  } else if (kind < 55) {
    draft.tables[own]!.delete(key);
  } else if (kind < 65) {
    rekey(draft, own, key, random);
  } else if (kind < 80) {
    passUnique(draft, own, random);
  } else if (kind < 86) {
    takeOver(draft, own, key, random);
  } else if (kind < 94) {
    draft.change(own, key, { v: random.integer(100) });
  } else if (kind < 97) {
    const count = 10 + random.integer(30);
    for (let at = 0; at < count; at += 1) {
      draft.put(own, { ...place, k0: bulkFrom + at }, random);
    }
  } else {
    deleteBulk(draft, own, random);
  }
}

/** A value of the primary key changes; mostly those that refer to it follow. */
function rekey(draft: Draft, own: number, key: string, random: Random): void {
  const shape = draft.schema.tables[own]!;
  const rows = draft.tables[own]!;
  const row = rows.get(key);
  if (!row) {
    return;
  }
  const place = draft.place(shape, random.integer(31));
  const moved: Row = { ...row, ...place, ver: draft.version };
  const newKey = keyText(shape, moved);
  rows.delete(key);
  const displaced = rows.get(newKey);
  rows.set(newKey, moved);
  if (displaced && random.chance(0.5)) {
    // The two change places.
    rows.set(key, {
      ...displaced,
      ...picked(row, shape.key),
      ver: draft.version,
    });
  }
  if (random.chance(0.6)) {
    follow(draft, own, row, moved);
  }
}

function follow(draft: Draft, own: number, row: Row, moved: Row): void {
  for (const [child, shape] of draft.schema.tables.entries()) {
    for (const link of shape.foreignKeys) {
      if (
        link.parent !== own ||
        link.columns.some((name) => shape.key.includes(name))
      ) {
        continue;
      }
      for (const [key, each] of draft.tables[child]!) {
        if (refersTo(link, each, row)) {
          draft.change(child, key, pointing(link, moved));
        }
      }
    }
  }
}

/** Two or three rows hand the values of a unique key around. */
function passUnique(draft: Draft, own: number, random: Random): void {
  const { uniqueKeys } = draft.schema.tables[own]!;
  const rows = [...draft.tables[own]!];
  if (uniqueKeys.length === 0 || rows.length < 2) {
    return;
  }
  const { columns } = random.pick(uniqueKeys);
  const start = random.integer(rows.length);
  const count = Math.min(rows.length, 2 + random.integer(2));
  const circle = Array.from(
    { length: count },
    (_, at) => rows[(start + at) % rows.length]!,
  );
  for (const [at, [key]] of circle.entries()) {
    const [, giver] = circle[(at + 1) % count]!;
    draft.change(own, key, picked(giver, columns));
  }
}

/** A row goes, and another gets one of its unique values; or it comes again. */
function takeOver(
  draft: Draft,
  own: number,
  key: string,
  random: Random,
): void {
  const shape = draft.schema.tables[own]!;
  const rows = draft.tables[own]!;
  const row = rows.get(key);
  if (!row) {
    return;
  }
  rows.delete(key);
  const place = draft.place(shape, random.integer(31));
  draft.put(own, place, random);
  const heir = keyText(shape, place);
  for (const { columns } of shape.uniqueKeys) {
    if (random.chance(0.7)) {
      draft.change(own, heir, picked(row, columns));
    }
  }
  if (random.chance(0.3)) {
    draft.put(own, picked(row, shape.key) as Record<string, number>, random);
  }
}

function deleteBulk(draft: Draft, own: number, random: Random): void {
  const rows = draft.tables[own]!;
  for (const [key, row] of rows) {
    if (row['k0']! >= bulkFrom && random.chance(0.9)) {
      rows.delete(key);
    }
  }
}
