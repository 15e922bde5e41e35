/** A transaction of the source under way: anything goes until its end. */
import type { Random } from '../../src/workload/random.ts';
import {
  keyText,
  pointing,
  refersTo,
  type Row,
  type RowChange,
  sameRow,
  sameValues,
} from './model-rows.ts';
import type {
  ModelForeignKey,
  ModelSchema,
  ModelTable,
} from './random-schema.ts';

export type Tables = Map<string, Row>[];

const keyCount = 5;
export const uniqueCount = 8;

export class Draft {
  readonly tables: Tables;
  readonly schema: ModelSchema;
  readonly version: number;
  /** Rows that went and came again: all of their columns are told. */
  readonly #whole = new Set<string>();

  constructor(schema: ModelSchema, tables: Tables, version: number) {
    this.schema = schema;
    this.tables = tables;
    this.version = version;
  }

  /** Row 0 is hot: a third of all strokes are its. */
  place(shape: ModelTable, row: number): Record<string, number> {
    const number = row % 3 === 0 ? 0 : row;
    const place: Record<string, number> = { k0: 1 + (number % keyCount) };
    if (shape.key.length > 1) {
      place['k1'] = 1 + (Math.floor(number / keyCount) % 2);
    }
    return place;
  }

  put(own: number, place: Record<string, number>, random: Random): void {
    const shape = this.schema.tables[own]!;
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
    Object.assign(row, place, { ver: this.version });
    for (const link of shape.foreignKeys) {
      if (!shape.key.includes(link.columns[0]!)) {
        Object.assign(row, this.reference(shape, link, random));
      }
    }
    this.tables[own]!.set(keyText(shape, row), row);
  }

  change(own: number, key: string, values: Row): void {
    const rows = this.tables[own]!;
    const row = rows.get(key);
    if (row) {
      rows.set(key, { ...row, ...values, ver: this.version });
    }
  }

  /** What a row's columns hold so that they refer to some parent, or to none. */
  reference(shape: ModelTable, link: ModelForeignKey, random: Random): Row {
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

  putParent(link: ModelForeignKey, child: Row, random: Random): void {
    const shape = this.schema.tables[link.parent]!;
    const wanted: Record<string, number> = {};
    for (const [at, name] of link.parentColumns.entries()) {
      wanted[name] = child[link.columns[at]!]!;
    }
    const place = this.place(shape, random.integer(31));
    for (const name of shape.key) {
      place[name] = wanted[name] ?? place[name]!;
    }
    this.put(link.parent, place, random);
    this.change(link.parent, keyText(shape, place), wanted);
  }
  changesSince(before: Tables, random: Random): RowChange[] {
    this.#touchTaken(before);
    return this.tables.flatMap((rows, table) => {
      const shape = this.schema.tables[table]!;
      const old = before[table]!;
      const keys = new Set([...old.keys(), ...rows.keys()]);
      return [...keys].flatMap((key): RowChange[] => {
        const was = old.get(key) ?? null;
        const is = rows.get(key) ?? null;
        if (sameRow(shape, was, is)) {
          return [];
        }
        // Any row that a transaction has touched is told as of that transaction.
        const after: Row | null = is && { ...is, ver: this.version };
        if (after) {
          rows.set(key, after);
        }
        const carried =
          was &&
          after &&
          !this.#whole.has(`${table} ${key}`) &&
          random.chance(0.15)
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

  /**
   * The foreign keys of the source act as those of the target. Where a unique
   * value has got another owner, rows that refer to it were taken along by the
   * one before, and have come back by themselves.
   */
  #touchTaken(before: Tables): void {
    for (const [own, { key }] of this.schema.tables.entries()) {
      for (const [rowKey, was] of before[own]!) {
        const is = this.tables[own]!.get(rowKey);
        this.#touchChildren(before, own, was, (link) =>
          is
            ? link.onUpdate === 'cascade' && !sameValues(link, was, is)
            : link.onDelete !== 'no action' && link.parentColumns[0] !== key[0],
        );
      }
    }
  }

  #touchChildren(
    before: Tables,
    own: number,
    parent: Row,
    isTaken: (link: ModelForeignKey) => boolean,
  ): void {
    for (const [child, { foreignKeys }] of this.schema.tables.entries()) {
      const links = foreignKeys.filter(
        (link) => link.parent === own && isTaken(link),
      );
      for (const link of links) {
        for (const [key, was] of before[child]!) {
          const name = `${child} ${key}`;
          const isThere = this.tables[child]!.has(key);
          if (
            isThere &&
            refersTo(link, was, parent) &&
            !this.#whole.has(name)
          ) {
            this.#whole.add(name);
            this.change(child, key, {});
            this.#touchChildren(before, child, was, (next) =>
              link.onDelete === 'cascade'
                ? next.onDelete !== 'no action'
                : false,
            );
          }
        }
      }
    }
  }
}
