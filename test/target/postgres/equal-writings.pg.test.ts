/** Of rows without a key that are equal, which one goes where they are written in different ways. */
import { describe, expect, test } from 'vitest';
import { type Row, rowsOf, transact } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

describe('rows without a key that are equal in another writing', () => {
  async function leftOf(
    rows: string,
    deleted: readonly Row[],
  ): Promise<(string | null)[]> {
    await using fixture = await postgresFixture();
    await fixture.sql('create table entry (id int4, n numeric, code bpchar)');
    await fixture.sql(`insert into entry values ${rows}`);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(rowsOf(tables.get('entry')!, deleted));
    });
    const left = await fixture.rows(
      `select concat_ws(' ', id, n, '<' operator(pg_catalog.||) code::bytea::text) from entry order by id, n::text, code::bytea`,
    );
    return left.map(([text]) => text!);
  }

  const entry = (n: string, code = 'null'): Row => ({ id: '1', n, code });

  test('the one that is written as the row given goes, wherever it lies', async () => {
    const rows = `(1, 1.00), (1, 1.0), (1, 1), (2, 1.0)`.replaceAll(
      ')',
      ', null)',
    );
    expect(await leftOf(rows, [entry('1.0')])).toEqual([
      '1 1',
      '1 1.00',
      '2 1.0',
    ]);
    expect(await leftOf(rows, [entry('1')])).toEqual([
      '1 1.0',
      '1 1.00',
      '2 1.0',
    ]);
    expect(await leftOf(rows, [entry('1'), entry('1.00')])).toEqual([
      '1 1.0',
      '2 1.0',
    ]);
  });

  test('as many go in a writing as are given in it, before any other', async () => {
    const rows = '(1, 2.50, null), (1, 2.5, null), (1, 2.5, null)';
    expect(await leftOf(rows, [entry('2.5')])).toEqual(['1 2.5', '1 2.50']);
    expect(await leftOf(rows, [entry('2.5'), entry('2.50')])).toEqual([
      '1 2.5',
    ]);
    expect(await leftOf(rows, [entry('2.5'), entry('2.5')])).toEqual([
      '1 2.50',
    ]);
  });

  test('where none is written so, one that is merely equal goes', async () => {
    const rows = '(1, 2.50, null), (1, 2.5, null), (1, 3, null)';
    expect(
      await leftOf(rows, [entry('2.500'), entry('2.5'), entry('2.5')]),
    ).toEqual(['1 3']);
  });

  test('blanks at the end tell writings apart too', async () => {
    const rows = `(1, 1, 'a'), (1, 1, 'a '), (1, 1, 'a  ')`;
    expect(await leftOf(rows, [entry('1', '"a "')])).toEqual([
      `1 1 <\\x61`,
      `1 1 <\\x612020`,
    ]);
  });
});
