import fc from 'fast-check';
import { expect, test } from 'vitest';

import type {
  JsonText,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import {
  type OpenBatch,
  WaitingRequests,
} from '../../../src/sequencer/immediate/waiting-requests.ts';

function rows(count: number): TableMutations[] {
  const mutations = Array.from({ length: count }, (_, id) => ({
    time: timestampFromMs(1),
    key: `[${id}]` as JsonText,
    after: null,
    before: null,
  }));
  return [{ table: 't', mutations }];
}

const onDisk = Promise.resolve();

function batch(rowCount: number, isCommitting: boolean): OpenBatch {
  return { rowCount, isCommitting };
}

test('requests are taken in their order, each once, as many as fit into one transaction; whoever failed before goes alone', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean())),
      fc.integer({ min: 1, max: 12 }),
      (given, flushSize) => {
        const waiting = new WaitingRequests(flushSize);
        const added = given.map(([count, alone]) => {
          const request = waiting.add(rows(count), onDisk);
          request.alone = alone;
          return request;
        });
        const taken = [];
        while (!waiting.isEmpty) {
          expect(waiting.mayBegin([])).toBe(true);
          const batch = waiting.take();
          const rowCount = batch.reduce((sum, each) => sum + each.rowCount, 0);
          expect(batch.length === 1 || rowCount <= flushSize).toBe(true);
          expect(batch.length === 1 || !batch.some(({ alone }) => alone)).toBe(
            true,
          );
          taken.push(...batch);
        }
        expect(taken).toEqual(added);
        expect(waiting.mayBegin([])).toBe(false);
      },
    ),
  );
});

test('behind open transactions little waits for more, and a full one or one that goes alone does not', () => {
  const waiting = new WaitingRequests(10);
  const small = waiting.add(rows(1), onDisk);
  // It has just come, however slow this machine is.
  Object.assign(small, { queuedAtMs: performance.now() + 600_000 });
  const writing = [batch(10, false), batch(10, false)];
  expect(waiting.mayBegin([])).toBe(true);
  expect(waiting.mayBegin(writing)).toBe(false);
  small.alone = true;
  expect(waiting.mayBegin(writing)).toBe(true);
  small.alone = false;
  expect(waiting.mayBegin(writing)).toBe(false);
  waiting.add(rows(9), onDisk);
  expect(waiting.mayBegin(writing)).toBe(true);
});

test('beside one open transaction a few rows begin at once, and many wait until it ends', () => {
  const waiting = new WaitingRequests(1_000);
  const few = waiting.add(rows(50), onDisk);
  Object.assign(few, { queuedAtMs: performance.now() + 600_000 });
  const others = [0, 1, 2].map((count) =>
    Array.from({ length: count }, () => batch(100, false)),
  );
  const mayBegin = (): boolean[] =>
    others.map((open) => waiting.mayBegin(open));
  expect(mayBegin()).toEqual([true, true, false]);
  waiting.add(rows(1), onDisk);
  expect(mayBegin()).toEqual([true, false, false]);
});

test('beside those that are written as many rows begin as each of them has, and no fewer', () => {
  const waiting = new WaitingRequests(1_000);
  const first = waiting.add(rows(299), onDisk);
  Object.assign(first, { queuedAtMs: performance.now() + 600_000 });
  const written = [batch(200, true), batch(300, true)];
  expect(waiting.mayBegin(written)).toBe(false);
  waiting.add(rows(1), onDisk);
  expect(waiting.mayBegin(written)).toBe(true);
  expect(waiting.mayBegin([...written, batch(1, false)])).toBe(false);
});

test('what failed comes first again, and after the end nobody waits for ever', async () => {
  const waiting = new WaitingRequests(1);
  const first = waiting.add(rows(1), onDisk);
  const second = waiting.add(rows(1), onDisk);
  expect(waiting.take()).toEqual([first]);
  waiting.addAgain([first]);
  expect(waiting.take()).toEqual([first]);
  const ends = Promise.allSettled(
    [first, second].map(({ settle }) => settle.promise),
  );
  waiting.end();
  waiting.addAgain([first]);
  for (const end of await ends) {
    expect(end).toMatchObject({ reason: { code: 'E3005' } });
  }
  expect(() => waiting.add(rows(1), onDisk)).toThrow(
    expect.objectContaining({ code: 'E3005' }),
  );
});
