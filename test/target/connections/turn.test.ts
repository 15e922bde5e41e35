import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Turn } from '../../../src/target/connections/turn.ts';

test('nobody gets ahead of those who waited for the turn, at whatever moment he comes', async () => {
  const turn = new Turn();
  const order: string[] = [];
  const begin = (name: string): Promise<void> =>
    turn.begin(
      async () => {
        order.push(name);
        await Promise.resolve();
      },
      () => {},
    );
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = turn.take(() => promise);
  const first = ['a', 'b', 'c'].map(begin);
  const last = promise.then(() => begin('d'));
  const behind = held.then(() => begin('e'));
  expect(order).toEqual([]);
  resolve();
  await Promise.all([...first, last, behind]);
  expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('work begins in the order in which it comes, and never beside a turn', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          takes: fc.boolean(),
          preparesByTurn: fc.boolean(),
          hops: fc.nat(4),
          pauseBefore: fc.nat(3),
        }),
        { maxLength: 20 },
      ),
      async (steps) => {
        const turn = new Turn();
        const order: number[] = [];
        let isTaken = false;
        const hop = async (count: number): Promise<void> => {
          for (let at = 0; at < count; at += 1) {
            await Promise.resolve();
          }
        };
        const takes = (hops: number): Promise<void> =>
          turn.take(async () => {
            expect(isTaken).toBe(false);
            isTaken = true;
            await hop(hops);
            isTaken = false;
          });
        const all: Promise<void>[] = [];
        for (const [index, step] of steps.entries()) {
          await hop(step.pauseBefore);
          let isToPrepare = step.preparesByTurn;
          all.push(
            turn.begin(
              async () => {
                expect(isTaken).toBe(false);
                order.push(index);
                await (step.takes ? takes(step.hops) : hop(step.hops));
              },
              () => {
                if (isToPrepare) {
                  isToPrepare = false;
                  void takes(step.hops);
                }
              },
            ),
          );
        }
        await Promise.all(all);
        expect(order).toEqual(steps.map((_, index) => index));
      },
    ),
  );
});

test('who fails leaves the turn to the next one', async () => {
  const turn = new Turn();
  const failing = turn.take(async () => {
    await Promise.resolve();
    throw new Error('no');
  });
  const next = turn.begin(
    async () => 'begun',
    () => {},
  );
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe('begun');
});
