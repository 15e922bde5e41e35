import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  InFlightBudget,
  type Room,
} from '../../../../src/source/changefeed/server/in-flight-budget.ts';

const noRoom = expect.objectContaining({ code: 'E3006', httpStatus: 503 });

describe('InFlightBudget', () => {
  test('refuses what does not fit, and admits anything that is alone', () => {
    const budget = new InFlightBudget(100);
    const large = budget.admit(1_000);
    expect(() => budget.admit(1)).toThrow(noRoom);
    large.release();
    const half = budget.admit(60);
    expect(() => budget.admit(41)).toThrow(noRoom);
    budget.admit(40);
    half.release();
    expect(budget.heldBytes).toBe(40);
  });

  test('gives back once what a room holds, with what it grew by', () => {
    const budget = new InFlightBudget(100);
    const room = budget.admit(10);
    room.growNow(500);
    expect(room.grow(500)).toBe(null);
    expect(budget.heldBytes).toBe(1_010);
    room.release();
    room.release();
    expect(budget.heldBytes).toBe(0);
    expect(() => room.grow(1)).toThrow(noRoom);
  });

  test('refuses a body that grows on the way beside others', () => {
    const budget = new InFlightBudget(100);
    const room = budget.admit(10);
    budget.admit(10);
    room.growNow(80);
    expect(() => room.growNow(1)).toThrow(noRoom);
  });

  test('lets one grow beyond the limit, and the others wait in their order', async () => {
    const budget = new InFlightBudget(100);
    const [first, second, third] = [1, 2, 3].map(() => budget.admit(10));
    expect(first!.grow(500)).toBe(null);
    const order: string[] = [];
    const waits = [
      second!.grow(400)!.then(() => order.push('second')),
      third!.grow(10)!.then(() => order.push('third')),
    ];
    expect(budget.heldBytes).toBe(530);
    first!.release();
    await waits[0];
    expect(budget.heldBytes).toBe(420);
    expect(order).toEqual(['second']);
    second!.release();
    await waits[1];
    expect(budget.heldBytes).toBe(20);
  });

  test('refuses who gave up waiting, and goes on with the next', async () => {
    const budget = new InFlightBudget(100);
    const [first, second] = [budget.admit(10), budget.admit(10)];
    expect(first.grow(500)).toBe(null);
    expect(first.giveUp()).toBe(false);
    const wait = second.grow(400)!;
    expect(second.giveUp()).toBe(true);
    await expect(wait).rejects.toThrow(noRoom);
    expect(() => second.grow(400)).toThrow(noRoom);
    second.release();
    first.release();
    expect(budget.heldBytes).toBe(0);
  });

  test('whoever is admitted gets its room in the end, with one over the limit at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 4 }), {
          maxLength: 12,
        }),
        async (growths) => {
          const budget = new InFlightBudget(100);
          const largest = Math.max(
            0,
            ...growths.map((steps) => steps.reduce((a, b) => a + b, 1)),
          );
          const grow = async (room: Room, steps: readonly number[]) => {
            for (const bytes of steps) {
              await room.grow(bytes);
              expect(budget.heldBytes).toBeLessThanOrEqual(100 + largest);
            }
            room.release();
          };
          const rooms = growths.map(() => budget.admit(1));
          await Promise.all(
            growths.map((steps, index) => grow(rooms[index]!, steps)),
          );
          expect(budget.heldBytes).toBe(0);
        },
      ),
    );
  });
});
