/** Random transactions over random tables, through applier and ladder. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Model, models, readModel } from '../../contract/order-model.ts';
import {
  mayBeRefused,
  type OrderWords,
  playModel,
} from '../../contract/order-ladder.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from './fixture.ts';
import { untilLate } from '../../support/until-late.ts';

const kept = new URL('../../testdata/orders/', import.meta.url);

function words(fixture: MysqlFixture): OrderWords {
  return {
    unchecked: (statements) =>
      fixture.database.sql(
        [
          'set foreign_key_checks = 0',
          ...statements,
          'set foreign_key_checks = 1',
        ].join('; '),
      ),
  };
}

/** Nothing can wait for the commit here. */
function undeferred(model: Model): Model {
  return {
    ...model,
    tables: model.tables.map((table) => ({
      ...table,
      references: table.references.map((each) => ({
        ...each,
        deferrable: false,
      })),
    })),
  };
}

describe.each(MYSQL_PRODUCTS)(
  'what a source transaction leaves when it commits, at %s',
  (product) => {
    test.each(readdirSync(kept))(
      'the target has, once found by %s',
      async (name) => {
        await using fixture = await mysqlFixture(product);
        const model = undeferred(
          readModel(readFileSync(new URL(name, kept), 'utf8')),
        );
        const { refused } = await playModel(fixture, words(fixture), model);
        if (!mayBeRefused(model)) {
          expect(refused).toBeNull();
        }
      },
    );

    test('the target has at every commit, or it refuses what is known to be refused', async () => {
      await using fixture = await mysqlFixture(product);
      await fc.assert(
        fc.asyncProperty(
          models({ deferrable: false }),
          untilLate(15_000, async (model) => {
            const { refused } = await playModel(fixture, words(fixture), model);
            if (refused !== null) {
              expect([refused, mayBeRefused(model)]).toEqual([refused, true]);
            }
          }),
        ),
        { numRuns: 150 },
      );
    });
  },
);
