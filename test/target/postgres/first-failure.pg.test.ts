/** Of statements on their way at once, the one that failed first says why. */
import { expect, test } from 'vitest';
import type { ShapeRows } from '../../../src/target/target.ts';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import { failureOf, shapeOf } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';
import { textValues } from '../../../src/target/row-values.ts';

/** So long that the answers of several statements come as one. */
async function lookAway(): Promise<void> {
  await Promise.resolve();
  await Promise.resolve();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

test('a look at keys behind a refused statement does not hide why that was refused', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(
    `create table p (id int8 primary key, v int8 check (v < 10));
     create table t (id int8 primary key, v int8)`,
  );
  const { tables } = await shapeOf(fixture);
  const rowsOf = (name: string, rowCount: number, v: number): ShapeRows => {
    const table = tables.get(name)!;
    return {
      table,
      columns: table.columns,
      values: textValues(
        [
          Array.from({ length: rowCount }, (_, row) => `${row}` as JsonText),
          Array.from({ length: rowCount }, () => `${v}` as JsonText),
        ],
        rowCount,
      ),
      rowCount,
    };
  };
  for (let round = 0; round < 5; round += 1) {
    await using transaction = await fixture.target.begin();
    const refused = failureOf(transaction.upsert(rowsOf('p', 1, 10)));
    const behind = failureOf(transaction.upsert(rowsOf('t', 400, round)));
    await lookAway();
    expect(await refused).toMatchObject({ code: 'E4005' });
    expect(await behind).toMatchObject({ code: 'E4005' });
    // So that it is guessed to be new in the end.
    await using other = await fixture.target.begin();
    await other.upsert(rowsOf('t', 400, round));
  }
});
