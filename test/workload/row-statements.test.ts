import { expect, test } from 'vitest';

import { createClock } from '../../src/workload/clock.ts';
import { createRandom } from '../../src/workload/random.ts';
import { rowStatements } from '../../src/workload/row-statements.ts';
import { Source } from '../../src/workload/source.ts';

test('every kind of change comes up: rows that come, change, change their key, and go', () => {
  const source = new Source(createClock(), createRandom(3), { tableRows: 60 });
  const verbs = new Map<string, number>();
  let movedCount = 0;
  for (let count = 0; count < 300; count += 1) {
    const transaction = source.commit(8);
    const changed = transaction.events.filter(
      ({ before, after }) => before && after,
    ).length;
    const statements = rowStatements(transaction, 'public');
    for (const { text, rowCount } of statements) {
      const verb = text.slice(0, text.indexOf(' '));
      verbs.set(verb, (verbs.get(verb) ?? 0) + rowCount);
    }
    movedCount +=
      statements
        .filter(({ text }) => text.startsWith('update'))
        .reduce((sum, { rowCount }) => sum + rowCount, 0) - changed;
  }
  expect(verbs.get('insert')).toBeGreaterThan(100);
  expect(verbs.get('update')).toBeGreaterThan(100);
  expect(verbs.get('delete')).toBeGreaterThan(100);
  expect(movedCount).toBeGreaterThan(100);
});
