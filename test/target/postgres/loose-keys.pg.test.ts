/** Keys of which equal values may look different, so that two texts are one row. */
import { describe, expect, test } from 'vitest';
import type { ApplyOrder } from '../../../src/target/target.ts';
import { applyTo, row } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

const types = [
  ['interval', '"30 days"', '"1 mon"'],
  ['bpchar', '"a"', '"a "'],
  ['numrange', '"[1.0,2.0]"', '"[1,2]"'],
  ['text collate folding', '"a"', '"A"'],
] as const;

const folding = `create collation folding
  (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`;

describe.for(types)('a key that is %s', ([type, one, other]) => {
  const plain = (token: string): string => JSON.parse(token) as string;

  test.for([
    ['upserts-first', ''],
    ['deletes-first', ''],
    ['upserts-first', 'deferrable'],
  ] satisfies [ApplyOrder, string][])(
    'may be spelled otherwise, and its row is not lost (%s %s)',
    async ([order, deferrable]) => {
      await using fixture = await postgresFixture();
      await fixture.sql(folding);
      await fixture.sql(
        `create table t (id ${type} primary key ${deferrable}, n int4)`,
      );
      await applyTo(fixture, { t: [row(1, [one], { id: one, n: '1' })] });
      await applyTo(
        fixture,
        {
          t: [row(2, [one], null), row(2, [other], { id: other, n: '2' })],
        },
        { order },
      );
      expect(await fixture.rows('select concat(id), n from t')).toEqual([
        [plain(other), '2'],
      ]);
      await applyTo(fixture, { t: [row(3, [other], null)] }, { order });
      expect(await fixture.rows('select n from t')).toEqual([]);
    },
  );

  test('keeps what did not come with its new spelling', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(folding);
    await fixture.sql(
      `create table t (id ${type} primary key, n int4, a text)`,
    );
    await applyTo(fixture, {
      t: [row(1, [one], { id: one, n: '1', a: '"kept"' })],
    });
    const gone = row(2, [one], null);
    await applyTo(fixture, {
      t: [
        gone,
        {
          ...row(2, [other], { id: other, n: '2' }),
          movedFrom: gone.key,
        },
      ],
    });
    expect(await fixture.rows('select concat(id), n, a from t')).toEqual([
      [plain(other), '2', 'kept'],
    ]);
  });
});
