/**
 * Rows that the target's foreign keys take along with a deleted one: in every
 * order the target ends as the source did, or the batch is refused whole.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { createApplier } from '../../src/target/applier.ts';
import type { ApplyOrder, SchemaShape } from '../../src/target/target.ts';
import {
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../contract/target-fixture.ts';
import { rekeyed } from '../contract/target-slot-changes.ts';
import { postgresFixture } from './postgres/fixture.ts';

type Fixture = Awaited<ReturnType<typeof postgresFixture>>;

const tables = ['parent', 'child', 'grand', 'loud'] as const;
const orders: readonly ApplyOrder[] = [
  'upserts-first',
  'deletes-first',
  'part',
];

interface Family {
  readonly title: string;
  /** Of the children's references, and of the grandchildren's. */
  readonly actions: readonly [string, string];
  /** Of the unique columns that pass between parents and between children. */
  readonly code: 'null' | 'not null';
}

function tablesIn(schema: string, { actions, code }: Family): string {
  return `
    create schema ${schema};
    create table ${schema}.parent (id int4 primary key, code int4 ${code} unique, b text);
    create table ${schema}.child (id int4 primary key,
      up int4 references ${schema}.parent ${actions[0]}, code int4 ${code} unique, b text default 'none');
    create table ${schema}.grand (id int4 primary key,
      up int4 references ${schema}.child ${actions[1]}, b text default 'none');
    create table ${schema}.loud (id int4 primary key, code int4 not null unique)`;
}

/** The source tells of itself as its log would: a row before what goes with it. */
const telling = `
  create table source.told (place int8 generated always as identity, time int4, name text, before jsonb, after jsonb);
  create function source.tell() returns trigger language plpgsql as $$
  begin
    insert into source.told (time, name, before, after)
    values (current_setting('test.time')::int4, tg_table_name,
      case when tg_op <> 'INSERT' then to_jsonb(old) end,
      case when tg_op <> 'DELETE' then to_jsonb(new) end);
    return null;
  end $$;
  ${tables.map((name) => `create trigger "A_first" after insert or update or delete on source.${name} for each row execute function source.tell();`).join('\n')}`;

function seed(schema: string): string {
  return `
    delete from ${schema}.grand; delete from ${schema}.child;
    delete from ${schema}.parent; delete from ${schema}.loud;
    insert into ${schema}.parent select g, g, 'p' || g from generate_series(1, 3) g;
    insert into ${schema}.child select g, g, g, 'c' || g from generate_series(1, 3) g;
    insert into ${schema}.grand select g, g, 'g' || g from generate_series(1, 3) g;
    insert into ${schema}.loud select g, g from generate_series(1, 2) g;`;
}

const id = fc.integer({ min: 1, max: 4 });
const family = fc.constantFrom('parent', 'child');
const kin = fc.constantFrom('child', 'grand');

/** Each is one statement or a few that a program would send together. */
const change = fc.oneof(
  fc
    .tuple(kin, id, fc.option(id, { freq: 4 }))
    .map(([table, one, up]) => [
      `update ${table} set up = ${up} where id = ${one}`,
    ]),
  fc
    .tuple(fc.constantFrom(...tables), id)
    .map(([table, one]) => [`delete from ${table} where id = ${one}`]),
  fc
    .tuple(kin, id, id, id)
    .map(([table, one, up, old]) => [
      `update ${table} set up = ${up} where id = ${one}`,
      `delete from ${table === 'child' ? 'parent' : 'child'} where id = ${old}`,
    ]),
  fc
    .tuple(fc.constantFrom('parent', 'loud'), id, id)
    .map(([table, one, code]) => [
      `insert into ${table} (id, code) values (${one}, ${code})`,
    ]),
  fc
    .tuple(id, id, id)
    .map(([one, up, code]) => [
      `insert into child values (${one}, ${up}, ${code}, 'n')`,
    ]),
  fc
    .tuple(id, id)
    .map(([one, up]) => [`insert into grand values (${one}, ${up}, 'n')`]),
  fc
    .tuple(fc.constantFrom('parent', 'child', 'loud'), id, id)
    .map(([table, one, other]) => [
      // The value passes on from a deleted row to a new one.
      `delete from ${table} where id = ${one}`,
      `insert into ${table} (id, code) values (${other}, ${one})`,
    ]),
  fc
    .tuple(fc.constantFrom('parent', 'child', 'loud'), id, id)
    .map(([table, one, other]) => [
      `update ${table} set code = 10 where id = ${one}`,
      `update ${table} set code = ${one} where id = ${other}`,
      `update ${table} set code = ${other} where id = ${one}`,
    ]),
  fc
    .tuple(family, id, id)
    .map(([table, one, other]) => [
      `delete from ${table} where id = ${other}`,
      `update ${table} set id = ${other} where id = ${one}`,
    ]),
  fc
    .tuple(fc.constantFrom('parent', 'child', 'grand'), id, id)
    .map(([table, one, other]) => [
      `update ${table} set id = ${other} where id = ${one}`,
    ]),
  fc.tuple(kin, id, id).map(([table, one, other]) => {
    const parents = table === 'child' ? 'parent' : 'child';
    return [
      `update ${table} set up = ${one} where up = ${other}`,
      `delete from ${parents} where id = ${other}`,
      `update ${parents} set id = ${other} where id = ${one}`,
    ];
  }),
);

const history = fc.array(fc.record({ change, isNext: fc.boolean() }), {
  minLength: 1,
  maxLength: 10,
});

/** What the constraints forbid does not happen. */
function run(steps: readonly { change: string[]; isNext: boolean }[]): string {
  let time = 1;
  const statements: string[] = ['set search_path = source'];
  for (const { change: list, isNext } of steps) {
    time += isNext ? 1 : 0;
    statements.push(`set test.time = ${time}`);
    statements.push(
      `do $$ begin ${list.join('; ')}; set constraints all immediate; set constraints all deferred; exception when integrity_constraint_violation then null; end $$`,
    );
  }
  return [...statements, 'reset search_path'].join(';\n');
}

type Change = Record<string, unknown>;

/** As a slot sends it: a large value that has not changed stays at home. */
async function told(
  fixture: Fixture,
  shape: SchemaShape,
): Promise<Map<string, Mutation[]>> {
  const mutations = new Map<string, Mutation[]>();
  const rows = await fixture.rows(
    'select time, name, before, after from source.told order by place',
  );
  for (const [time, table, wasText, isText] of rows) {
    const was = wasText === null ? null : (JSON.parse(wasText!) as Change);
    const is = isText === null ? null : (JSON.parse(isText!) as Change);
    const list = mutations.get(table!) ?? [];
    mutations.set(table!, list);
    const gone = was && row(Number(time), [was['id']], null);
    if (is === null) {
      list.push(gone!);
      continue;
    }
    const isUnsent = was !== null && 'b' in is && was['b'] === is['b'];
    const after = Object.fromEntries(
      Object.entries(is)
        .filter(([name]) => name !== 'b' || !isUnsent)
        .map(([name, value]) => [name, JSON.stringify(value)]),
    );
    const written = row(Number(time), [is['id']], after);
    if (gone === null || gone.key === written.key) {
      list.push(written);
    } else {
      const isMoved = isUnsent || shape.tables.get(table!)!.deleteHasEffects;
      list.push(
        gone,
        isMoved ? { ...written, movedFrom: gone.key as JsonText } : written,
      );
    }
  }
  return mutations;
}

async function rowsIn(fixture: Fixture, schema: string): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const table of tables) {
    all.push(
      await fixture.rows(`select * from ${schema}.${table} order by id`),
    );
  }
  return all;
}

/** The failure where it is refused. */
async function applyIn(
  { target }: Fixture,
  shape: SchemaShape,
  {
    mutations,
    ...options
  }: {
    readonly mutations: ReadonlyMap<string, readonly Mutation[]>;
    readonly order: ApplyOrder;
    readonly collapse: boolean;
  },
): Promise<ReplicatorError | null> {
  await using transaction = await target.begin();
  try {
    await createApplier({ collapse: options.collapse }).apply(
      [...mutations].map(([name, list]) => ({
        table: shape.tables.get(name)!,
        mutations: list,
      })),
      transaction,
      new AbortController().signal,
      options.order,
    );
    await transaction.commit(null);
    return null;
  } catch (error) {
    if (error instanceof ReplicatorError && error.disposition === 'defer') {
      return error;
    }
    throw error;
  }
}

const cascade = 'on delete cascade on update cascade';
const loosen = 'on delete set null on update cascade';
const waiting = 'deferrable initially deferred';

describe.for<Family>([
  { title: 'cascade', actions: [cascade, cascade], code: 'null' },
  {
    title: 'cascade, checked at commit',
    actions: [`${cascade} ${waiting}`, `${cascade} ${waiting}`],
    code: 'not null',
  },
  {
    title: 'set null, then cascade',
    actions: [loosen, cascade],
    code: 'null',
  },
  {
    title: 'cascade, then set null',
    actions: [cascade, loosen],
    code: 'not null',
  },
  {
    title: 'cascade, then forbid at commit',
    actions: [`on delete cascade ${waiting}`, waiting],
    code: 'null',
  },
  {
    title: 'forbid at commit, then set null',
    actions: [waiting, 'on delete set null'],
    code: 'null',
  },
  {
    title: 'forbid, then cascade',
    actions: ['', 'on delete cascade'],
    code: 'not null',
  },
])('references that $title, beside unique columns that are $code', (kind) => {
  test('the target ends as the source or the batch is refused, in every order', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(tablesIn('source', kind));
    await fixture.sql(telling);
    await fixture.sql(tablesIn('copy', kind));
    await fixture.sql(`set test.time = 0; ${seed('copy')}`);
    const initial = await rowsIn(fixture, 'copy');
    const shape = await shapeOf({
      target: fixture.target,
      schema: schemaName([fixture.database.name, 'copy']),
    });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await fixture.sql(
          `set test.time = 0; ${seed('source')} delete from source.told`,
        );
        await fixture.sql(run(steps));
        const mutations = await told(fixture, shape);
        const final = await rowsIn(fixture, 'source');
        for (const order of orders) {
          for (const collapse of [true, false]) {
            await fixture.sql(seed('copy'));
            const refused = await applyIn(fixture, shape, {
              mutations,
              order,
              collapse,
            });
            expect({
              order,
              collapse,
              rows: await rowsIn(fixture, 'copy'),
            }).toEqual({
              order,
              collapse,
              rows: refused ? initial : final,
            });
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('deletes first, where a parent goes that a child has just left', () => {
  /** Children and grandchildren with a column that is not sent. */
  async function openFamily(code: Family['code']): Promise<Fixture> {
    const fixture = await postgresFixture();
    await fixture.sql(
      tablesIn('copy', { title: '', actions: [cascade, cascade], code }),
    );
    await fixture.sql(seed('copy'));
    return fixture;
  }

  const left = {
    child: [row(2, [2], { id: '2', up: '3', code: '2' })],
    parent: [
      row(2, [2], null),
      row(2, [4], { id: '4', code: '2', b: '"new"' }),
    ],
  };

  test('its unique value passes on, and child and grandchild stay as they are', async () => {
    await using fixture = await openFamily('null');
    const place = placeOf(fixture);
    expect((await failureOf(applyTo(place, left))).code).toBe('E4013');
    await applyTo(place, left, { order: 'deletes-first' });
    expect(await rowsIn(fixture, 'copy')).toMatchObject([
      [
        ['1', '1', 'p1'],
        ['3', '3', 'p3'],
        ['4', '2', 'new'],
      ],
      [
        ['1', '1', '1', 'c1'],
        ['2', '3', '2', 'c2'],
        ['3', '3', '3', 'c3'],
      ],
      [
        ['1', '1', 'g1'],
        ['2', '2', 'g2'],
        ['3', '3', 'g3'],
      ],
      {},
    ]);
  });

  test('a value that may not be null does not, and the refusal says what to do', async () => {
    await using fixture = await openFamily('not null');
    const before = await rowsIn(fixture, 'copy');
    const failure = await failureOf(
      applyTo(placeOf(fixture), left, { order: 'deletes-first' }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4013', 'defer']);
    expect(failure.message).toContain(
      'copy.parent that the source has deleted',
    );
    expect(failure.remedy).toContain('foreign keys');
    expect(await rowsIn(fixture, 'copy')).toEqual(before);
  });

  test('a value that may not be null passes on, where the batch has all of what goes along', async () => {
    await using fixture = await openFamily('not null');
    await fixture.sql('delete from copy.grand');
    const { parent } = left;
    const grand = [row(2, [2], null)];
    await applyTo(
      placeOf(fixture),
      { parent, child: [row(2, [2], null)], grand },
      { order: 'deletes-first' },
    );
    expect(
      await fixture.rows('select id, code from copy.parent order by id'),
    ).toEqual([
      ['1', '1'],
      ['3', '3'],
      ['4', '2'],
    ]);
  });

  test.for(orders)(
    'another row does not get its key either, and nothing changes (%s)',
    async (order) => {
      await using fixture = await openFamily('null');
      const before = await rowsIn(fixture, 'copy');
      const parent = [
        row(2, [2], null),
        ...rekeyed(2, [[1], [2]], { id: '2', code: '1' }),
      ];
      const failure = await failureOf(
        applyTo(placeOf(fixture), { ...left, parent }, { order }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4013', 'defer']);
      expect(failure.message).toContain('another has got its key');
      expect(await rowsIn(fixture, 'copy')).toEqual(before);
    },
  );
});

test.for(['cascade', 'set null'])(
  'a child that refers to a unique value keeps it while values are set free (on update %s)',
  async (action) => {
    await using fixture = await postgresFixture();
    await fixture.sql(`
      create table "it's" (id int4 primary key, code int4 unique);
      create table child (id int4 primary key, up int4 references "it's" (code) on update ${action});
      insert into "it's" values (1, 1), (2, 2);
      insert into child values (1, 1)`);
    await applyTo(
      fixture,
      { "it's": [row(1, [1], { id: '1', code: '1' })] },
      { order: 'deletes-first' },
    );
    expect(await fixture.rows('select id, up from child')).toEqual([
      ['1', '1'],
    ]);
  },
);

function placeOf({ target, database }: Fixture): {
  readonly target: Fixture['target'];
  readonly schema: Fixture['schema'];
} {
  return { target, schema: schemaName([database.name, 'copy']) };
}
