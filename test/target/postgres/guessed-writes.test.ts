import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GuessedWrites } from '../../../src/target/postgres/guessed-writes.ts';
import type { InsertGuess } from '../../../src/target/postgres/statements/insert-guess.ts';
import type { ShapeRows } from '../../../src/target/target.ts';

test('what was sent again when the transaction ends in between fails unheard, and ends no process', async () => {
  const unheard: unknown[] = [];
  const hear = (error: unknown): void => void unheard.push(error);
  process.on('unhandledRejection', hear);
  try {
    const rows = { rowCount: 1 } as ShapeRows;
    const guess = { refused: () => {} } as InsertGuess;
    let sentCount = 0;
    const guessed = new GuessedWrites({
      ask: () => Promise.resolve(),
      again: async () => {
        sentCount += 1;
        if (sentCount > 1) {
          throw new Error('the transaction has ended');
        }
        return [Promise.reject(new Error('cancelled'))];
      },
      placed: (error) => error as Error,
    });
    const refusal = Object.assign(new Error('there'), {
      severity: 'ERROR',
      code: '23505',
    });
    const answer = Promise.reject(refusal);
    guessed.add({ rows, answer, guess, upsert: rows });
    guessed.add({ rows, answer, guess, upsert: rows });
    await expect(guessed.settle()).rejects.toThrow('has ended');
    await setImmediate();
    expect(unheard).toEqual([]);
  } finally {
    process.off('unhandledRejection', hear);
  }
});
