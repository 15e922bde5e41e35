import { expect, test } from 'vitest';

import { meteredTarget } from '../../../src/pipeline/watching/metered-target.ts';
import type { Target, TargetTransaction } from '../../../src/target/target.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { tableShapeIn } from '../../target/table-shape.ts';

test('a metered transaction hands on all that is asked, also what not every engine can', async () => {
  const asked: string[] = [];
  const note = (name: string) => async () => {
    asked.push(name);
  };
  const transaction: Required<TargetTransaction> = {
    upsert: note('upsert'),
    vacateUniqueKeys: async () => asked.push('vacateUniqueKeys') > 0,
    update: note('update'),
    parking: { nullColumns: () => null, spareKind: () => null },
    delete: note('delete'),
    deleteUnreferred: note('deleteUnreferred'),
    moveKeys: note('moveKeys'),
    insert: note('insert'),
    deleteEqual: note('deleteEqual'),
    truncate: note('truncate'),
    deadLetters: () => {
      throw new Error('not asked');
    },
    checkConstraints: note('checkConstraints'),
    keepAlive: note('keepAlive'),
    commit: note('commit'),
    follow: () => null,
    waitsForLock: async () => asked.push('waitsForLock') > 0,
    [Symbol.asyncDispose]: note('dispose'),
  };
  const metered = await meteredTarget(
    { begin: async () => transaction } as unknown as Target,
    createMetrics(),
  ).begin();
  expect(Reflect.ownKeys(metered).toSorted(byName)).toEqual(
    Reflect.ownKeys(transaction).toSorted(byName),
  );
  const table = tableShapeIn('s')('t', []);
  await metered.deleteUnreferred!({ table, keys: [], rowCount: 0 }, []);
  expect(asked).toEqual(['deleteUnreferred']);
});

function byName(left: PropertyKey, right: PropertyKey): number {
  return String(left) < String(right) ? -1 : 1;
}
