/**
 * A source that checks its constraints at commit, as rows in memory. It turns
 * random strokes into transactions that are valid: what a stroke has left
 * broken is mended the way applications mend it, or the transaction is no more.
 */
import fc from 'fast-check';
import { createRandom, type Random } from '../../src/workload/random.ts';
import type {
  ModelForeignKey,
  ModelSchema,
  ModelTable,
} from './random-schema.ts';

export type Row = Readonly<Record<string, number | null>>;

/** What a transaction leaves of one row, as a changefeed tells it. */
export interface RowChange {
  readonly table: number;
  /** `[1]`: the canonical key. */
  readonly key: string;
  /** Null: the row is deleted. */
  readonly after: Row | null;
  readonly before: Row | null;
  /** Present: only these columns are carried, and no other has changed. */
  readonly carried?: readonly string[];
}

export type Commit = readonly RowChange[];

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

export function commitsOf(
  schema: ModelSchema,
  all: readonly (readonly Stroke[])[],
): Commit[] {
  const model = new SourceModel(schema);
  return all.flatMap((transaction) => {
    const commit = model.commit(transaction);
    return commit ? [commit] : [];
  });
}

type Tables = Map<string, Row>[];

const keyCount = 5;
const uniqueCount = 8;
const bulkFrom = 100;
const maxMendings = 60;

export class SourceModel {
  readonly #schema: ModelSchema;
  #tables: Tables;
  #version = 0;

  constructor(schema: ModelSchema) {
    this.#schema = schema;
    this.#tables = schema.tables.map(() => new Map());
  }

  /** Null where it could not be made valid, or changed nothing. */
  commit(transaction: readonly Stroke[]): Commit | null {
    const version = this.#version + 1;
    const random = createRandom(
      transaction.reduce((sum, { salt }) => (sum * 31 + salt) >>> 0, version),
    );
    const draft = new Draft(
      this.#schema,
      this.#tables.map((rows) => new Map(rows)),
      version,
    );
    for (const stroke of transaction) {
      draft.strike(stroke);
    }
    if (!draft.mend(random)) {
      return null;
    }
    const changes = draft.changesSince(this.#tables, random);
    if (changes.length === 0) {
      return null;
    }
    this.#version = version;
    this.#tables = draft.tables;
    return changes;
  }
}

/** A transaction under way: anything goes until its end. */
class Draft {
  readonly tables: Tables;
  readonly #schema: ModelSchema;
  readonly #version: number;

  constructor(schema: ModelSchema, tables: Tables, version: number) {
    this.#schema = schema;
    this.tables = tables;
    this.#version = version;
  }

  strike({ kind, table, row, salt }: Stroke): void {
    const own = table % this.#schema.tables.length;
    const random = createRandom(salt);
    const shape = this.#schema.tables[own]!;
    const place = this.#place(shape, row);
    const key = keyText(shape, place);
    if (kind < 40) {
      this.#put(own, place, random);
    } else if (kind < 55) {
      this.tables[own]!.delete(key);
    } else if (kind < 65) {
      this.#rekey(own, key, random);
    } else if (kind < 80) {
      this.#passUnique(own, random);
    } else if (kind < 86) {
      this.#takeOver(own, key, random);
    } else if (kind < 94) {
      this.#change(own, key, { v: random.integer(100) });
    } else if (kind < 97) {
      const count = 10 + random.integer(30);
      for (let at = 0; at < count; at += 1) {
        this.#put(own, { ...place, k0: bulkFrom + at }, random);
      }
    } else {
      this.#deleteBulk(own, random);
    }
  }

  /** Breaks by breaks, at random; false where it does not come to an end. */
  mend(random: Random): boolean {
    for (let round = 0; round < maxMendings; round += 1) {
      const isWhole = this.#mendOnce(random, round > maxMendings / 2);
      if (isWhole) {
        return true;
      }
    }
    return false;
  }

  changesSince(before: Tables, random: Random): RowChange[] {
    return this.tables.flatMap((rows, table) => {
      const shape = this.#schema.tables[table]!;
      const old = before[table]!;
      const keys = new Set([...old.keys(), ...rows.keys()]);
      return [...keys].flatMap((key): RowChange[] => {
        const was = old.get(key) ?? null;
        const is = rows.get(key) ?? null;
        if (sameRow(shape, was, is)) {
          return [];
        }
        // Any row that a transaction has touched is told as of that transaction.
        const after: Row | null = is && { ...is, ver: this.#version };
        if (after) {
          rows.set(key, after);
        }
        const carried =
          was && after && random.chance(0.15)
            ? shape.columns.filter(
                (name) =>
                  shape.key.includes(name) ||
                  was[name] !== after[name] ||
                  random.chance(0.3),
              )
            : undefined;
        return [
          { table, key, after, before: was, ...(carried && { carried }) },
        ];
      });
    });
  }

  /** Row 0 is hot: a third of all strokes are its. */
  #place(shape: ModelTable, row: number): Record<string, number> {
    const number = row % 3 === 0 ? 0 : row;
    const place: Record<string, number> = { k0: 1 + (number % keyCount) };
    if (shape.key.length > 1) {
      place['k1'] = 1 + (Math.floor(number / keyCount) % 2);
    }
    return place;
  }

  #put(own: number, place: Record<string, number>, random: Random): void {
    const shape = this.#schema.tables[own]!;
    const row: Record<string, number | null> = {};
    for (const name of shape.columns) {
      row[name] = random.integer(100);
    }
    for (const name of shape.uniqueKeys.flatMap(({ columns }) => columns)) {
      row[name] =
        shape.nullable.includes(name) && random.chance(0.25)
          ? null
          : 1 + random.integer(uniqueCount);
    }
    Object.assign(row, place, { ver: this.#version });
    for (const link of shape.foreignKeys) {
      if (!shape.key.includes(link.columns[0]!)) {
        Object.assign(row, this.#reference(shape, link, random));
      }
    }
    this.tables[own]!.set(keyText(shape, row), row);
  }

  #change(own: number, key: string, values: Row): void {
    const rows = this.tables[own]!;
    const row = rows.get(key);
    if (row) {
      rows.set(key, { ...row, ...values, ver: this.#version });
    }
  }

  /** A value of the primary key changes; mostly those that refer to it follow. */
  #rekey(own: number, key: string, random: Random): void {
    const shape = this.#schema.tables[own]!;
    const rows = this.tables[own]!;
    const row = rows.get(key);
    if (!row) {
      return;
    }
    const place = this.#place(shape, random.integer(31));
    const moved: Row = { ...row, ...place, ver: this.#version };
    const newKey = keyText(shape, moved);
    rows.delete(key);
    const displaced = rows.get(newKey);
    rows.set(newKey, moved);
    if (displaced && random.chance(0.5)) {
      // The two change places.
      rows.set(key, {
        ...displaced,
        ...picked(row, shape.key),
        ver: this.#version,
      });
    }
    if (random.chance(0.6)) {
      this.#follow(own, row, moved);
    }
  }

  #follow(own: number, row: Row, moved: Row): void {
    for (const [child, shape] of this.#schema.tables.entries()) {
      for (const link of shape.foreignKeys) {
        if (
          link.parent !== own ||
          link.columns.some((name) => shape.key.includes(name))
        ) {
          continue;
        }
        for (const [key, each] of this.tables[child]!) {
          if (refersTo(link, each, row)) {
            this.#change(child, key, pointing(link, moved));
          }
        }
      }
    }
  }

  /** Two or three rows hand the values of a unique key around. */
  #passUnique(own: number, random: Random): void {
    const { uniqueKeys } = this.#schema.tables[own]!;
    const rows = [...this.tables[own]!];
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
      this.#change(own, key, picked(giver, columns));
    }
  }

  /** A row goes, and another gets one of its unique values; or it comes again. */
  #takeOver(own: number, key: string, random: Random): void {
    const shape = this.#schema.tables[own]!;
    const rows = this.tables[own]!;
    const row = rows.get(key);
    if (!row) {
      return;
    }
    rows.delete(key);
    const place = this.#place(shape, random.integer(31));
    this.#put(own, place, random);
    const heir = keyText(shape, place);
    for (const { columns } of shape.uniqueKeys) {
      if (random.chance(0.7)) {
        this.#change(own, heir, picked(row, columns));
      }
    }
    if (random.chance(0.3)) {
      this.#put(own, picked(row, shape.key) as Record<string, number>, random);
    }
  }

  #deleteBulk(own: number, random: Random): void {
    const rows = this.tables[own]!;
    for (const [key, row] of rows) {
      if (row['k0']! >= bulkFrom && random.chance(0.9)) {
        rows.delete(key);
      }
    }
  }

  /** What a row's columns hold so that they refer to some parent, or to none. */
  #reference(shape: ModelTable, link: ModelForeignKey, random: Random): Row {
    const parents = [...this.tables[link.parent]!.values()];
    const isNullable = link.columns.every((name) =>
      shape.nullable.includes(name),
    );
    if (isNullable && (parents.length === 0 || random.chance(0.25))) {
      return Object.fromEntries(link.columns.map((name) => [name, null]));
    }
    if (parents.length === 0) {
      // The parent comes when this is mended.
      return Object.fromEntries(
        link.columns.map((name) => [name, 1 + random.integer(keyCount)]),
      );
    }
    return pointing(link, random.pick(parents));
  }

  /** Mends every break there is, once; true where there was none. */
  #mendOnce(random: Random, isHarsh: boolean): boolean {
    let isWhole = true;
    for (const [own, shape] of this.#schema.tables.entries()) {
      for (const [key, row] of this.tables[own]!) {
        // An earlier mending may have taken it.
        if (this.tables[own]!.get(key) !== row) {
          continue;
        }
        if (!this.#mendRow(own, shape, row, isHarsh, random)) {
          isWhole = false;
        }
      }
    }
    return isWhole;
  }

  #mendRow(
    own: number,
    shape: ModelTable,
    row: Row,
    isHarsh: boolean,
    random: Random,
  ): boolean {
    const rows = this.tables[own]!;
    const key = keyText(shape, row);
    for (const name of shape.columns) {
      if (row[name] === null && !shape.nullable.includes(name)) {
        rows.delete(key);
        return false;
      }
    }
    for (const link of shape.foreignKeys) {
      if (this.#isMet(link, row)) {
        continue;
      }
      const isOfKey = shape.key.includes(link.columns[0]!);
      if (isHarsh || random.chance(0.3)) {
        rows.delete(key);
      } else if (random.chance(0.4) || isOfKey) {
        this.#putParent(link, row, random);
      } else {
        this.#change(own, key, this.#reference(shape, link, random));
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
          this.#change(own, loser, { [name!]: value });
        }
        return false;
      }
    }
    return true;
  }

  #isMet(link: ModelForeignKey, row: Row): boolean {
    return (
      link.columns.some((name) => row[name] === null) ||
      this.tables[link.parent]!.values().some((parent) =>
        refersTo(link, row, parent),
      )
    );
  }

  #putParent(link: ModelForeignKey, child: Row, random: Random): void {
    const shape = this.#schema.tables[link.parent]!;
    const wanted: Record<string, number> = {};
    for (const [at, name] of link.parentColumns.entries()) {
      wanted[name] = child[link.columns[at]!]!;
    }
    const place = this.#place(shape, random.integer(31));
    for (const name of shape.key) {
      place[name] = wanted[name] ?? place[name]!;
    }
    this.#put(link.parent, place, random);
    this.#change(link.parent, keyText(shape, place), wanted);
  }
}

export function keyText({ key }: ModelTable, row: Row): string {
  return JSON.stringify(key.map((name) => row[name]));
}

function refersTo(link: ModelForeignKey, child: Row, parent: Row): boolean {
  return link.columns.every(
    (name, at) =>
      child[name] !== null && child[name] === parent[link.parentColumns[at]!],
  );
}

function pointing(link: ModelForeignKey, parent: Row): Row {
  return Object.fromEntries(
    link.columns.map((name, at) => [name, parent[link.parentColumns[at]!]!]),
  );
}

function picked(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((name) => [name, row[name]!]));
}

function sameRow(
  { columns }: ModelTable,
  left: Row | null,
  right: Row | null,
): boolean {
  return left === null || right === null
    ? left === right
    : columns.every((name) => left[name] === right[name]);
}
