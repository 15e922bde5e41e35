import { setTimeout as sleep } from 'node:timers/promises';

import { expect, onTestFailed, test } from 'vitest';

import { createRandom } from '../../../src/workload/random.ts';
import { lettersOf, retryWhatGoes } from '../../support/dead-letter-hand.ts';
import { applied, send } from '../../support/fed-house.ts';
import { testHouse, type TestHouse } from '../../support/house.ts';
import { expectRows, Source } from './random-source.ts';

const setup = `
  create table plain (id int primary key, v int, name text);
  create table parent (id int primary key, v int);
  create table child (id int primary key, parent int references parent, u text unique)`;

/** Each by itself: with both locks a batch under way may be deadlocked. */
const spoil = [
  'alter table plain add constraint small check (v < 100) not valid',
  'alter table parent add constraint small_parent check (v < 100) not valid',
];
const mend = [
  'alter table plain drop constraint if exists small',
  'alter table parent drop constraint if exists small_parent',
];

/** Fewer letters would be no test of what it means to retry them. */
const wantedLetters = 60;

test('rows are as at the source where operators mend the target and retry letters while the daemon writes, and it is spoilt again', async () => {
  const seed = 1 + Math.floor(Math.random() * 2 ** 31);
  onTestFailed(() => console.log(`seed ${seed}`));
  await using house = await testHouse({
    sequencer: { onRowError: 'deadLetter', flushSize: 20 },
  });
  await house.database.query(setup);
  const random = createRandom(seed);
  const source = new Source(random);
  const operators = new Operators(house);
  let step = 0;
  while (operators.letterCount < wantedLetters) {
    operators.throwIfFailed();
    const first = step;
    const count = 1 + random.integer(30);
    const rows = source.transactions(step, count);
    step += count;
    await send(house, rows, step);
    if (random.chance(0.05)) {
      await house.restart();
    }
    if (random.chance(0.5)) {
      await applied(house, first);
    }
  }
  await operators.end();
  await applied(house, step);
  expect(await retryWhatGoes(house)).toBe(0);
  await expectRows(house, source);
});

/** Some spoil and mend the target in turn, and another one retries letters. */
class Operators {
  /** Letters that were open when somebody set out to retry them. */
  letterCount = 0;
  readonly #house: TestHouse;
  readonly #done: Promise<unknown>;
  #isOver = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(house: TestHouse) {
    this.#house = house;
    this.#done = Promise.all([
      this.#untilOver(() => this.#alter()),
      this.#untilOver(() => this.#retry()),
    ]);
  }

  throwIfFailed(): void {
    if (this.#failure) {
      throw this.#failure.error;
    }
  }

  /** With the target mended. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.throwIfFailed();
  }

  async #untilOver(act: () => Promise<void>): Promise<void> {
    try {
      while (!this.#isOver) {
        await act();
      }
    } catch (error) {
      this.#failure = { error };
    }
  }

  async #alter(): Promise<void> {
    for (const statement of spoil) {
      await this.#house.database.query(statement);
    }
    await sleep(Math.random() * 150);
    for (const statement of mend) {
      await this.#house.database.query(statement);
    }
    await sleep(Math.random() * 30);
  }

  async #retry(): Promise<void> {
    this.letterCount += (await lettersOf(this.#house)).length;
    await retryWhatGoes(this.#house);
    await sleep(Math.random() * 20);
  }
}
