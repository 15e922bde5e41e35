/**
 * A source for tests of the best effort: two tables that stand alone, one of
 * them with sparse rows, and a parent with its children. Beside it the history
 * that the target itself writes of every version it ever showed.
 */
import { expect } from 'vitest';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../../src/mutation/timestamp.ts';
import type { TestHouse } from '../../support/house.ts';

const names = ['alone', 'sparse', 'parent', 'child'] as const;
export type TableName = (typeof names)[number];

/** A row of the source: which version, and a value that sparse rows leave out. */
interface Row {
  readonly ver: number;
  readonly v: number | null;
  readonly parent: number | null;
}

interface Version {
  readonly table: TableName;
  readonly id: number;
  /** The transaction, from 1. */
  readonly step: number;
  /** Null deletes the row. */
  readonly sent: Record<string, unknown> | null;
}

const baseMs = 1_700_000_000_000;
const rowCount = 6;

export function timeOf(step: number): Timestamp {
  return timestampFromMs(baseMs + step * 130);
}

export async function createTables({ database }: TestHouse): Promise<void> {
  await database.query(`
    create table alone (id int primary key, ver int, v int);
    create table sparse (id int primary key, ver int, v int);
    create table parent (id int primary key, ver int, v int);
    create table child (id int primary key, ver int, v int, parent int references parent);
    create table history (seq bigserial primary key, t text, id int, ver int);
    create function note() returns trigger language plpgsql as $$ begin
      if tg_op = 'DELETE' then
        insert into history (t, id, ver) values (tg_table_name, old.id, null);
      else
        insert into history (t, id, ver) values (tg_table_name, new.id, new.ver);
      end if;
      return null;
    end $$;`);
  for (const name of names) {
    await database.query(
      `create trigger note after insert or update or delete on ${name} for each row execute function note()`,
    );
  }
}

/** Writes transactions as chance has it, and knows every state it ever had. */
export class TestSource {
  readonly #chance: (below: number) => number;
  readonly #tables = new Map<string, Row>();
  readonly versions: Version[] = [];
  /** By step: the linked tables as they were then. */
  readonly #linked: string[] = ['[]'];
  step = 0;

  constructor(chance: (below: number) => number) {
    this.#chance = chance;
  }

  /** One transaction of some rows. */
  write(): void {
    this.step += 1;
    const touched = new Set<string>();
    const count = 1 + this.#chance(5);
    for (let each = 0; each < count; each += 1) {
      const table = names[this.#chance(names.length)]!;
      const id = this.#chance(rowCount);
      if (!touched.has(`${table} ${id}`) && this.#change(table, id)) {
        touched.add(`${table} ${id}`);
      }
    }
    this.#linked.push(
      JSON.stringify(
        this.#rows((table) => table === 'parent' || table === 'child'),
      ),
    );
  }

  #change(table: TableName, id: number): boolean {
    const name = `${table} ${id}`;
    const known = this.#tables.get(name);
    const ver = this.step;
    if (known && this.#chance(4) === 0) {
      const isReferred =
        table === 'parent' &&
        [...this.#tables].some(
          ([other, { parent }]) => other.startsWith('child') && parent === id,
        );
      if (isReferred) {
        return false;
      }
      this.#tables.delete(name);
      this.versions.push({ table, id, step: ver, sent: null });
      return true;
    }
    const parents = [...this.#tables.keys()]
      .filter((other) => other.startsWith('parent'))
      .map((other) => Number(other.split(' ')[1]));
    if (table === 'child' && parents.length === 0) {
      return false;
    }
    const v = this.#chance(100);
    const isSparse = table === 'sparse' && this.#chance(3) === 0;
    const parent =
      table === 'child' ? parents[this.#chance(parents.length)]! : null;
    this.#tables.set(name, {
      ver,
      v: isSparse ? (known?.v ?? null) : v,
      parent,
    });
    this.versions.push({
      table,
      id,
      step: ver,
      sent: {
        id,
        ver,
        ...(!isSparse && { v }),
        ...(parent !== null && { parent }),
      },
    });
    return true;
  }

  #rows(isWanted: (table: string) => boolean): string[] {
    return [...this.#tables]
      .filter(([name]) => isWanted(name.split(' ')[0]!))
      .map(([name, { ver, v, parent }]) => `${name} ${ver} ${v} ${parent}`)
      .toSorted();
  }

  /** At the end: every row of every table. */
  async expectEqual(house: TestHouse): Promise<void> {
    expect(await targetRows(house, names)).toEqual(this.#rows(() => true));
  }

  /** At a resolved point: linked tables as they were, the others not behind. */
  async expectResolved(house: TestHouse, step: number): Promise<void> {
    expect(
      JSON.stringify(await targetRows(house, ['parent', 'child'])),
      `linked tables at step ${step}`,
    ).toBe(this.#linked[step]);
    const there = new Map(
      (await targetRows(house, ['alone', 'sparse'])).map((row) => {
        const [table, id, ver] = row.split(' ');
        return [`${table} ${id}`, Number(ver)];
      }),
    );
    for (const [name, versions] of this.#byRow()) {
      const last = versions.findLast((version) => version.step <= step);
      if (last === undefined || !/^(alone|sparse)/.test(name)) {
        continue;
      }
      const shown = there.get(name);
      const isThere =
        shown === undefined
          ? versions.some(
              (version) => version.step >= last.step && version.sent === null,
            )
          : shown >= last.step;
      expect(isThere, `${name} at step ${step}: ${shown}`).toBe(true);
    }
  }

  /** What the target has shown of each row is an ascending walk through its versions. */
  async expectNeverBack({ database }: TestHouse): Promise<void> {
    const { rows } = await database.query<{
      t: string;
      id: number;
      ver: number | null;
    }>('select t, id, ver from history order by seq');
    const byRow = this.#byRow();
    const places = new Map<string, number>();
    for (const { t, id, ver } of rows) {
      const name = `${t} ${id}`;
      const versions = byRow.get(name) ?? [];
      const place = places.get(name) ?? 0;
      const next = versions.findIndex(
        ({ step, sent }, index) =>
          index >= place && (ver === null ? sent === null : step === ver),
      );
      expect(
        next,
        `${name} showed ${ver} after ${versions[place]?.step}`,
      ).not.toBe(-1);
      places.set(name, next);
    }
  }

  /** The newest step of which the target has shown a row. */
  async newestShown({ database }: TestHouse): Promise<number> {
    const { rows } = await database.query<{ ver: number }>(
      'select coalesce(max(ver), 0) ver from history',
    );
    return rows[0]!.ver;
  }

  #byRow(): Map<string, Version[]> {
    return Map.groupBy(this.versions, ({ table, id }) => `${table} ${id}`);
  }
}

export function tablesOf(versions: readonly Version[]): TableMutations[] {
  return [...Map.groupBy(versions, ({ table }) => table)].map(
    ([table, group]) => ({ table, mutations: group.map(mutationOf) }),
  );
}

function mutationOf({ id, step, sent }: Version): Mutation {
  return {
    time: timeOf(step),
    key: `[${id}]` as JsonText,
    after: sent && (JSON.stringify(sent) as JsonText),
    before: null,
  };
}

async function targetRows(
  { database }: TestHouse,
  tables: readonly TableName[],
): Promise<string[]> {
  const { rows } = await database.query<Record<string, unknown>>(
    tables
      .map(
        (name) =>
          `select '${name}' t, id, ver, v, ${name === 'child' ? 'parent' : 'null::int'} parent from ${name}`,
      )
      .join(' union all '),
  );
  return rows
    .map(({ t, id, ver, v, parent }) => `${t} ${id} ${ver} ${v} ${parent}`)
    .toSorted();
}
