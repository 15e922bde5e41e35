/** The same as on PostgreSQL, without constraints that wait for the commit. */
import { expect, test } from 'vitest';
import { MYSQL_PRODUCTS } from '../support/mysql-test-database.ts';
import { runCase } from './check.ts';
import { foundMysqlCases, readCase } from './found-seeds.ts';
import { mysqlModel } from './mysql-model.ts';
import { checkRandomCases, soakTimeoutMs } from './random-case.ts';
import type { SchemaLimits } from './random-schema.ts';

const everything: SchemaLimits = {
  foreignKeys: true,
  uniqueKeys: true,
  deferrable: false,
  cycles: 'all',
  actions: true,
  notNullUniqueKeys: true,
  otherSchema: true,
};

test.for(
  MYSQL_PRODUCTS.flatMap((product) => [
    { product, how: 'side by side', hasFaults: false },
    { product, how: 'under faults', hasFaults: true },
  ]),
)(
  'in consistent mode every reader sees what the source was on $product, applied $how',
  { timeout: soakTimeoutMs(1) },
  async ({ product, hasFaults }) => {
    await using database = await mysqlModel(product);
    const outcome = await checkRandomCases(database, {
      runs: 8,
      limits: everything,
      settings: { mode: 'consistent', parallelism: 8, hasFaults },
      isAllowedRefusal: ({ code }) => code === 'E4013' || code === 'E4004',
    });
    expect(outcome.lookCount).toBeGreaterThan(outcome.runCount);
    expect(outcome.equalCount).toBeGreaterThan(outcome.runCount / 8);
  },
);

test.for(MYSQL_PRODUCTS)(
  'in immediate mode no older version of a row follows a newer one on %s, and the end is the same',
  { timeout: soakTimeoutMs(1) },
  async (product) => {
    await using database = await mysqlModel(product);
    await checkRandomCases(database, {
      runs: 8,
      limits: {
        ...everything,
        foreignKeys: false,
        uniqueKeys: false,
      },
      settings: { mode: 'immediate', parallelism: 8, hasFaults: true },
      isAllowedRefusal: () => false,
    });
  },
);

test.for(
  MYSQL_PRODUCTS.flatMap((product) =>
    foundMysqlCases.map((found) => ({ ...found, product })),
  ),
)(
  'what was found once stays mended on $product: $found',
  { timeout: soakTimeoutMs(1) },
  async ({ product, ...found }) => {
    await using database = await mysqlModel(product);
    // A refusal is no loss: the value may not leave, and nobody else may have it meanwhile.
    await runCase(
      database,
      await readCase(found),
      ({ code }) => code === 'E4013',
    );
  },
);
