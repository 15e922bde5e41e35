/** Random transactions over random tables, through applier and ladder. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { models, readModel } from '../contract/order-model.ts';
import {
  mayBeRefused,
  type OrderWords,
  playModel,
} from '../contract/order-ladder.ts';
import { type PostgresFixture, postgresFixture } from './postgres/fixture.ts';
import { untilLate } from '../support/until-late.ts';

const kept = new URL('../testdata/orders/', import.meta.url);

function words(fixture: PostgresFixture): OrderWords {
  return {
    unchecked: (statements) =>
      fixture.sql(
        [
          'set session_replication_role = replica',
          ...statements,
          'set session_replication_role = default',
        ].join('; '),
      ),
  };
}

describe('what a source transaction leaves when it commits', () => {
  test.each(readdirSync(kept))(
    'the target has, once found by %s',
    async (name) => {
      await using fixture = await postgresFixture();
      const model = readModel(readFileSync(new URL(name, kept), 'utf8'));
      const { refused } = await playModel(fixture, words(fixture), model);
      if (!mayBeRefused(model)) {
        expect(refused).toBeNull();
      }
    },
  );

  test('the target has at every commit, or it refuses what is known to be refused', async () => {
    await using fixture = await postgresFixture();
    await fc.assert(
      fc.asyncProperty(
        models({ deferrable: true }),
        untilLate(20_000, async (model) => {
          const { refused } = await playModel(fixture, words(fixture), model);
          if (refused !== null) {
            expect([refused, mayBeRefused(model)]).toEqual([refused, true]);
          }
        }),
      ),
      { numRuns: 250 },
    );
  });
});
