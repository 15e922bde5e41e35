/**
 * What PostgreSQL changes without a word, by its own account, is refused; what
 * it keeps is not.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkOfLimit,
  limitOf,
  type PostgresLimit,
} from '../../../../src/target/postgres/values/limits.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import type { Target } from '../../../../src/target/target.ts';
import {
  type ReplacedValue,
  refusingPolicies,
  type ValuePolicy,
} from '../../../../src/target/value-policy.ts';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import { type PostgresFixture, postgresFixture } from '../fixture.ts';

interface Change {
  readonly type: string;
  /** JSON. */
  readonly token: string;
  /** What a plain INSERT is given. */
  readonly literal: string;
  /** What `clamp` writes; null where nothing is near. */
  readonly clamp: string | null;
}

function change(
  type: string,
  literal: string,
  clamp: string | null,
  token = JSON.stringify(literal),
): Change {
  return { type, token, literal, clamp };
}

const changes: readonly Change[] = [
  change('numeric(6,2)', '1.005', '1.01', '1.005'),
  change('numeric(6,-2)', '150', '200', '150'),
  change('numeric(2,4)', '0.00123', '0.0012', '0.00123'),
  change('price', '9.999', '10.00', '9.999'),
  change('money', '1.005', '$1.01'),
  change('float4', '16777217', '1.6777216e+07', '16777217'),
  change('float4', '0.123456789', '0.12345679', '0.123456789'),
  change('float8', '0.30000000000000000001', '0.3', '0.30000000000000000001'),
  change('varchar(3)', 'abc  ', 'abc'),
  change('char(3)', 'abc  ', 'abc'),
  change('name', 'x'.repeat(70), 'x'.repeat(63)),
  change('"char"', 'ab', 'a'),
  change('date', '2024-02-29T12:00:00', '2024-02-29'),
  change('time', '12:34:56.1234567', '12:34:56.123457'),
  change('time(1)', '12:34:56.78', '12:34:56.8'),
  change('time', '12:34:56+02', null),
  change('time', '2024-02-29 12:34:56', null),
  change('timetz(0)', '12:34:56.5+02', '12:34:57+02'),
  change('timestamp', '2024-02-29T12:00:00+02', '2024-02-29 10:00:00'),
  change('timestamp(3)', '2024-12-31T23:59:59.9996', '2025-01-01 00:00:00'),
  change('timestamptz(0)', '2024-02-29T12:00:00.6Z', '2024-02-29 12:00:01+00'),
  change('interval(1)', '00:00:01.25', null),
  change('interval', '00:00:01.1234567', null),
  change('interval year', '1 year 2 mons', null),
  change('interval day to hour', '3 days 04:05:00', null),
  change('numeric(6,2)[]', '{1.005}', null, '[1.00, 1.005]'),
  change('numeric(6,2)[]', '{1.00,"1.005"}', null),
  change('price[]', '{9.999}', null, '[[9.99], [9.999]]'),
  change('timestamp(0)[]', '{2024-01-01 00:00:00.4}', null),
  change('item', '(1.005,)', null, '{"price": 1.005, "at": null}'),
  change(
    'item[]',
    '{"(1,12:00:00.15)"}',
    null,
    '[{"price": 1, "at": "12:00:00.15"}]',
  ),
];

async function fixtureWithTypes(): Promise<PostgresFixture> {
  const fixture = await postgresFixture();
  await fixture.sql('create domain price as numeric(8,2)');
  await fixture.sql('create type item as (price numeric(6,2), at time(1))');
  return fixture;
}

async function targetWith(
  fixture: PostgresFixture,
  policy: ValuePolicy,
  replaced: ReplacedValue[] = [],
): Promise<Target> {
  return await openTarget({
    ...defaultTargetOptions,
    url: fixture.url,
    pool: { ...defaultTargetOptions.pool, maxSize: 2 },
    valuePolicies: {
      ...refusingPolicies,
      policyOf: () => policy,
      onReplaced: (value) => replaced.push(value),
    },
  });
}

describe('what PostgreSQL would change in silence', () => {
  test.each(changes)(
    '$type: $literal is refused, or replaced by policy',
    async ({ type, token, literal, clamp }) => {
      await using fixture = await fixtureWithTypes();
      await fixture.sql(`create table t (id int8 primary key, v ${type})`);
      // Taken, and not what was given.
      await fixture.database.query('insert into t values (0, $1)', [literal]);
      expect(
        await fixture.rows('select v::text from t where id = 0'),
      ).not.toEqual([[literal]]);

      const changed = (id: number) => ({
        t: [
          row(1, [100], { id: '100', v: 'null' }),
          row(1, [id], { id: String(id), v: token }),
        ],
      });
      const failure = await failureOf(applyTo(fixture, changed(1)));
      expect(failure.code).toBe('E4006');
      expect(failure.message).toMatch(
        /^column "v" of table test_\w+\.public\.t, row \[1\]: the value [^;]+$/,
      );

      await using nulling = await targetWith(fixture, 'null');
      await applyTo(fixture, changed(2), { target: nulling });
      const replaced: ReplacedValue[] = [];
      await using clamping = await targetWith(fixture, 'clamp', replaced);
      const clamped = applyTo(fixture, changed(3), { target: clamping });
      if (clamp === null) {
        expect((await failureOf(clamped)).message).toBe(
          failure.message.replace('[1]', '[3]'),
        );
      } else {
        await clamped;
        expect(
          replaced.map(({ table, column, key, policy }) => [
            table.name,
            column.name,
            key,
            policy,
          ]),
        ).toEqual([['t', 'v', '[3]', 'clamp']]);
      }
      expect(
        await fixture.rows(
          'select id, v::text from t where id in (1, 2, 3) order by id',
        ),
      ).toEqual([['2', null], ...(clamp === null ? [] : [['3', clamp]])]);
    },
  );

  test('is no key of a row, whatever the policy', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table t (k numeric(6,2) primary key, n int4)');
    await using clamping = await targetWith(fixture, 'clamp');
    const place = `column "k" of table ${fixture.schema}.t, row [1.005]: the value has digits beyond the scale of 2`;
    for (const after of [{ k: '1.005', n: '1' }, null]) {
      const failure = await failureOf(
        applyTo(
          fixture,
          { t: [row(1, ['1.005'], after)] },
          { target: clamping },
        ),
      );
      expect([failure.code, failure.message]).toEqual(['E4006', place]);
    }
  });

  test('and NOT NULL columns take no null by policy', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table t (id int8 primary key, v varchar(3) not null)',
    );
    await using nulling = await targetWith(fixture, 'null');
    const failure = await failureOf(
      applyTo(
        fixture,
        { t: [row(1, [1], { id: '1', v: '"abcd"' })] },
        { target: nulling },
      ),
    );
    expect(failure.message).toBe(
      `column "v" of table ${fixture.schema}.t, row [1]: the value is longer than 3 characters`,
    );
  });
});

describe('a value that PostgreSQL refuses itself', () => {
  test('is found among the rows of its statement', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table t (tenant text, id int8, a int4, b uuid, primary key (id, tenant))',
    );
    const good = '"f47ac10b-58cc-4372-a567-0e02b2c3d479"';
    const rows = Array.from({ length: 1000 }, (_, id) =>
      row(1, [id, '"x"'], {
        tenant: '"x"',
        id: String(id),
        a: id === 777 ? '2147483648' : String(id),
        b: good,
      }),
    );
    const failure = await failureOf(applyTo(fixture, { t: rows }));
    expect([failure.code, failure.message]).toEqual([
      'E4006',
      `column "a" of table ${fixture.schema}.t, row [777, "x"]: the value is outside -2147483648 to 2147483647; the server says a value is out of range for type integer (SQLSTATE 22003)`,
    ]);
  });

  test('is told with its table where no limit is known', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table t (id int8 primary key, v inet)');
    const failure = await failureOf(
      applyTo(fixture, {
        t: [
          row(1, [1], { id: '1', v: '"10.0.0.1"' }),
          row(1, [2], { id: '2', v: '"10.0.0.256"' }),
        ],
      }),
    );
    expect(failure.message).toBe(
      `invalid input syntax for type inet (SQLSTATE 22P02), in table ${fixture.schema}.t`,
    );
  });
});

describe('a value fits exactly when the server keeps it', () => {
  const decimal = fc
    .tuple(
      fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }),
      fc.integer({ min: -3, max: 9 }),
    )
    .map(([units, scale]) => `${units}e${-scale}`);
  const instant = fc
    .tuple(
      fc.date({
        min: new Date('0001-01-02T00:00:00Z'),
        max: new Date('9999-12-30T00:00:00Z'),
        noInvalidDate: true,
      }),
      fc.constantFrom('', '000', '500', '123', '001'),
      fc.constantFrom('', 'Z', '+02', '-11:30'),
    )
    .map(
      ([date, micros, zone]) =>
        `${date.toISOString().slice(0, -1)}${micros}${zone}`,
    );
  const clock = instant.map((text) =>
    text.slice(11).replace(/(Z|[+-].*)$/, ''),
  );
  const modifier = (precision: number, scale: number): number =>
    ((precision << 16) | (scale & 0x7ff)) + 4;

  const cases: readonly {
    readonly type: string;
    readonly limit: PostgresLimit | null;
    readonly values: fc.Arbitrary<string>;
    /** Of the type without limits, to which the stored value is compared. */
    readonly wide: string;
  }[] = [
    {
      type: 'numeric(6,2)',
      limit: limitOf('numeric', modifier(6, 2)),
      values: decimal,
      wide: 'numeric',
    },
    {
      type: 'numeric(4,-2)',
      limit: limitOf('numeric', modifier(4, -2)),
      values: decimal,
      wide: 'numeric',
    },
    {
      type: 'numeric(3,5)',
      limit: limitOf('numeric', modifier(3, 5)),
      values: decimal,
      wide: 'numeric',
    },
    {
      type: 'timestamptz(2)',
      limit: limitOf('timestamptz', 2),
      values: instant,
      wide: 'timestamptz',
    },
    { type: 'time(2)', limit: limitOf('time', 2), values: clock, wide: 'time' },
    {
      type: 'varchar(3)',
      limit: limitOf('varchar', 3 + 4),
      values: fc
        .string({ unit: 'grapheme', maxLength: 6 })
        .filter((text) => !text.includes('\0')),
      wide: 'text',
    },
  ];

  test.each(cases)('$type', async ({ type, limit, values, wide }) => {
    await using fixture = await postgresFixture();
    // As a column does: an explicit cast would cut what an assignment refuses.
    await fixture.sql(`
      create function kept(value text) returns bool language plpgsql as $$
      declare stored ${type};
      begin
        stored := value::${wide};
        return stored::${wide} = value::${wide};
      exception when data_exception then
        return false;
      end $$`);
    const check = checkOfLimit(limit!);
    await fc.assert(
      fc.asyncProperty(
        fc.array(values, { minLength: 50, maxLength: 50 }),
        async (texts) => {
          const { rows } = await fixture.database.query(
            'select v, kept(v) as kept from unnest($1::text[]) as v',
            [texts],
          );
          expect(rows.map(({ v }) => [v, check(v as string) === null])).toEqual(
            rows.map(({ v, kept }) => [v, kept]),
          );
        },
      ),
      { numRuns: 20 },
    );
  });

  test.each(['float4', 'float8'] as const)('%s', async (type) => {
    await using fixture = await postgresFixture();
    // Null: the server refuses it.
    await fixture.sql(`
      create function kept(value text) returns bool language plpgsql as $$
      begin
        return value::${type}::text::numeric = value::numeric;
      exception when data_exception then
        return null;
      end $$`);
    const check = checkOfLimit({ type });
    const printed = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc
        .float({ noNaN: true, noDefaultInfinity: true })
        .map((value) => value.toPrecision(9)),
      fc
        .tuple(fc.integer(), fc.integer({ min: -30, max: 30 }))
        .map(([digits, exponent]) => `${digits}e${exponent}`),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(printed, { minLength: 50, maxLength: 50 }),
        async (texts) => {
          const { rows } = await fixture.database.query(
            'select v, kept(v) as kept from unnest($1::text[]) as v',
            [texts],
          );
          for (const { v, kept } of rows) {
            const fits = check(v as string) === null;
            // What it prints again fits; what fits it takes.
            expect([v, fits || kept !== true]).toEqual([v, true]);
            expect([v, fits && kept === null]).toEqual([v, false]);
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});
