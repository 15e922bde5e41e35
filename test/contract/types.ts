/**
 * Each type of the source on each engine, written once: source value, target,
 * back as text. docs/types.md is printed from the same tables.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonText } from '../../src/mutation/mutation.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import type { Target } from '../../src/target/target.ts';
import {
  refusingPolicies,
  type ReplacedValue,
  type UnstorableValue,
} from '../../src/target/value-policy.ts';
import {
  applyTo,
  failureOf,
  row,
  type TargetFixture,
} from './target-fixture.ts';
import { byConstraint } from './types-outcomes.ts';
import {
  type SourceType,
  type SourceValues,
  sourceTypes,
} from './types-source.ts';

/** What becomes of one value: its text at the target, or why it is refused. */
export type Outcome = string | Refusal;

export interface Refusal {
  /** Completes "the value …" behind table, key and column. */
  readonly refused: string;
  /** What the policy `clamp` writes; without it that is refused as well. */
  readonly clamp?: string;
}

export interface TypeCell {
  /** The column's type in the engine's words. */
  readonly column: string;
  /** Instead of that in docs/types.md. */
  readonly shown?: string;
  /** Reads `v` as text, where the driver's own text will not do. */
  readonly read?: string;
  /**
   * By the name of the source's value, where it is read back otherwise than
   * the source wrote it.
   */
  readonly outcomes?: Readonly<Record<string, Outcome>>;
}

/** One engine's column of docs/types.md; null: the engine has no such type. */
export interface EngineTypes {
  readonly name: string;
  /** The integer key of the tables. */
  readonly key: string;
  /** Names without quotes are upper case in its catalog. */
  readonly foldsNames?: true;
  readonly setup?: readonly string[];
  readonly cells: Readonly<Record<SourceType, TypeCell | null>>;
}

/** Registers one test per cell. All of them share what `open` opens. */
export function registerTypesContract(
  engine: EngineTypes,
  open: () => Promise<TargetFixture>,
): void {
  describe(`types of ${engine.name}`, () => {
    let fixture: TargetFixture;
    beforeAll(async () => {
      fixture = await open();
      for (const statement of engine.setup ?? []) {
        await fixture.sql(statement);
      }
    });
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]();
    });

    for (const [index, [type, values]] of sourceEntries().entries()) {
      const cell = engine.cells[type];
      if (cell === null) {
        continue;
      }
      test(`${type} is ${cell.column}`, async () => {
        const named = (name: string): string =>
          engine.foldsNames ? name.toUpperCase() : name;
        const table = named(`cell_${index}`);
        await fixture.sql(
          `create table ${table} (id ${engine.key} primary key, v ${cell.column})`,
        );
        const seen = await outcomesOf(fixture, { table, values, cell, named });
        expect(seen).toEqual(expectedOutcomes(type, cell));
      });
    }

    test('names only values that there are', () => {
      const unknown = sourceEntries().flatMap(([type, values]) =>
        Object.keys(engine.cells[type]?.outcomes ?? {}).filter(
          (name) => !(name in values),
        ),
      );
      expect(unknown).toEqual([]);
    });
  });
}

export function sourceEntries(): [SourceType, SourceValues][] {
  return Object.entries(sourceTypes) as [SourceType, SourceValues][];
}

/** The text that stands in the JSON; of JSON that itself. */
function sourceText(type: SourceType, token: string): string {
  return type !== 'jsonb' && token.startsWith('"')
    ? (JSON.parse(token) as string)
    : token;
}

function expectedOutcomes(
  type: SourceType,
  { outcomes = {} }: TypeCell,
): Record<string, Outcome> {
  return Object.fromEntries(
    Object.entries<string>(sourceTypes[type]).map(([name, token]) => [
      name,
      outcomes[name] ?? sourceText(type, token),
    ]),
  );
}

interface CellAt {
  readonly table: string;
  readonly values: SourceValues;
  readonly cell: TypeCell;
  /** A name as the catalog has it. */
  readonly named: (name: string) => string;
}

async function outcomesOf(
  fixture: TargetFixture,
  { table, values, cell, named }: CellAt,
): Promise<Record<string, Outcome>> {
  const seen: Record<string, Outcome> = {};
  const replaced: ReplacedValue[] = [];
  await using clamping = await openClamping(fixture, replaced);
  for (const [id, [name, token]] of Object.entries(values).entries()) {
    const write = (target: Target): Promise<void> =>
      applyTo(
        fixture,
        {
          [table]: [
            row(1, [id], { [named('id')]: String(id), [named('v')]: token }),
          ],
        },
        { target },
      );
    const read = async (): Promise<string> => {
      const [found] = await fixture.rows(
        `select ${cell.read ?? 'v'} from ${table} where id = ${id}`,
      );
      return found?.[0] ?? 'NULL';
    };
    try {
      await write(fixture.target);
      seen[name] = await read();
    } catch {
      const { code, message } = await failureOf(write(fixture.target));
      expect([name, ['E4005', 'E4006']]).toEqual([
        name,
        expect.arrayContaining([code]),
      ]);
      const refused =
        code === 'E4005'
          ? byConstraint.refused
          : message
              .replace(placePattern(table, id), '')
              .replace(/; the server says .*/, '');
      replaced.length = 0;
      const isClamped = await write(clamping).then(
        () => true,
        () => false,
      );
      expect(
        replaced.map(({ key, policy, reason }) => [key, policy, reason]),
      ).toEqual(isClamped ? [[`[${id}]`, 'clamp', refused]] : []);
      seen[name] = isClamped ? { refused, clamp: await read() } : { refused };
    }
  }
  return seen;
}

/** Table, column and key of the row, as every refusal names them. */
function placePattern(table: string, id: number): RegExp {
  return new RegExp(
    `^column "v" of table .*\\.${table}, row \\[${id}\\]: the value `,
    'i',
  );
}

async function openClamping(
  fixture: TargetFixture,
  replaced: ReplacedValue[],
): Promise<Target> {
  return await openTarget({
    ...defaultTargetOptions,
    url: fixture.url,
    pool: { ...defaultTargetOptions.pool, maxSize: 2 },
    valuePolicies: {
      ...refusingPolicies,
      policyOf: (_, column) =>
        column.name.toLowerCase() === 'v' ? 'clamp' : 'error',
      onReplaced: (value) => replaced.push(value),
    },
  });
}

/**
 * For engines whose server is not always there: what is refused before it is
 * sent, in the same tables. `refusalOf` throws where a column is no type.
 */
export function registerRefusals(
  engine: EngineTypes,
  refusalOf: (column: string, token: JsonText) => UnstorableValue | null,
): void {
  describe(`refusals of ${engine.name}`, () => {
    for (const [type, values] of sourceEntries()) {
      const cell = engine.cells[type];
      if (cell === null) {
        continue;
      }
      test(`${type} to ${cell.column}`, () => {
        const reasons = Object.entries(expectedOutcomes(type, cell)).map(
          ([name, outcome]) => [
            name,
            typeof outcome === 'string' || outcome === byConstraint
              ? null
              : outcome.refused,
          ],
        );
        expect(
          Object.entries(values).map(([name, token]) => [
            name,
            refusalOf(cell.column, token as JsonText)?.message ?? null,
          ]),
        ).toEqual(reasons);
      });
    }
  });
}
