import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { JsonText } from '../../../../src/mutation/mutation.ts';
import {
  KeyOrders,
  type StoredOrder,
} from '../../../../src/source/changefeed/decode/key-order.ts';
import { tableShape } from './shapes.ts';

const pair = tableShape('pair', ['a', 'b']);
const triple = tableShape('triple', ['a', 'b', 'c']);
const json = (...elements: string[]) => elements as JsonText[];
/** What a restart of the daemon keeps. */
function restarted(orders: KeyOrders): KeyOrders {
  const again = new KeyOrders();
  for (const name of ['pair', 'triple', 't']) {
    const stored = orders.stored(name);
    if (stored !== null) {
      orders.saved(name, stored);
      again.merge(name, JSON.parse(JSON.stringify(stored)) as StoredOrder);
    }
  }
  return again;
}

describe('KeyOrders', () => {
  test('takes the target order until a row shows another', () => {
    const orders = new KeyOrders();
    expect(orders.isProven(pair)).toBe(false);
    orders.observe(pair, ['1', '2'], ['2', '1']);
    expect(orders.isProven(pair)).toBe(true);
    expect(orders.arrange(pair, json('7', '8'))).toEqual(['8', '7']);
  });

  test('a row of equal key values proves nothing', () => {
    const orders = new KeyOrders();
    orders.observe(pair, ['1', '1'], ['1', '1']);
    expect(orders.isProven(pair)).toBe(false);
    expect(orders.arrange(pair, json('7', '8'))).toEqual(['7', '8']);
  });

  test('rows that each tell a part together prove the order', () => {
    const orders = new KeyOrders();
    // Target (a, b, c); the source lists c, a, b.
    orders.observe(triple, ['5', '1', '1'], ['1', '1', '5']);
    expect(orders.isProven(triple)).toBe(false);
    orders.observe(triple, ['1', '1', '6'], ['1', '6', '1']);
    expect(orders.isProven(triple)).toBe(true);
    expect(orders.arrange(triple, json('"c"', '"a"', '"b"'))).toEqual(
      json('"a"', '"b"', '"c"'),
    );
  });

  test('a row whose key fits its columns in no order is refused', () => {
    const orders = new KeyOrders();
    for (const _state of ['unknown', 'proven']) {
      expect(() => orders.observe(pair, ['1', '2'], ['1', '3'])).toThrow(
        expect.objectContaining({ code: 'E1017', httpStatus: 422 }),
      );
      expect(() => orders.observe(pair, ['1', '1'], ['1', '2'])).toThrow(
        expect.objectContaining({ code: 'E1017' }),
      );
      orders.observe(pair, ['1', '2'], ['1', '2']);
    }
  });

  test('an assumption that later proves wrong halts, also after a restart', () => {
    const orders = new KeyOrders();
    expect(orders.arrange(pair, json('1', '2'))).toEqual(['1', '2']);
    expect(orders.changed).toEqual(new Set(['pair']));
    for (const state of [orders, restarted(orders)]) {
      const halt = expect.objectContaining({
        code: 'E1017',
        disposition: 'halt',
        remedy: expect.stringContaining('load the table again'),
      });
      expect(() => state.observe(pair, ['1', '2'], ['2', '1'])).toThrow(halt);
      // It does not pass by itself.
      expect(() => state.observe(pair, ['1', '2'], ['2', '1'])).toThrow(halt);
      expect(() => state.arrange(pair, json('3', '4'))).toThrow(halt);
      expect(() => restarted(state).arrange(pair, json('3', '4'))).toThrow(
        halt,
      );
      // As the remedy says.
      const mended = { ...pair, primaryKey: pair.primaryKey.toReversed() };
      state.observe(mended, ['1', '2'], ['1', '2']);
      expect(state.arrange(mended, json('3', '4'))).toEqual(['3', '4']);
    }
  });

  test('an assumption that proves right is forgotten', () => {
    const orders = new KeyOrders();
    orders.arrange(pair, json('1', '2'));
    orders.observe(pair, ['1', '2'], ['1', '2']);
    // The key was altered at the source: the rows after that tell the order.
    orders.observe(pair, ['1', '2'], ['2', '1']);
    expect(orders.arrange(pair, json('3', '4'))).toEqual(['4', '3']);
  });

  test('a delete of equal key values assumes nothing', () => {
    const orders = new KeyOrders();
    orders.arrange(pair, json('1', '1'));
    orders.observe(pair, ['1', '2'], ['2', '1']);
    expect(orders.arrange(pair, json('3', '4'))).toEqual(['4', '3']);
  });

  test('what the source declares is known at once', () => {
    const orders = new KeyOrders();
    orders.declare(triple, [2, 0, 1]);
    expect(orders.isProven(triple)).toBe(true);
    expect(
      restarted(orders).arrange(triple, json('"b"', '"c"', '"a"')),
    ).toEqual(json('"a"', '"b"', '"c"'));
  });

  test('another key of the target starts from nothing', () => {
    const orders = new KeyOrders();
    orders.observe(pair, ['1', '2'], ['2', '1']);
    const altered = tableShape('pair', ['b', 'a']);
    expect(orders.isProven(altered)).toBe(false);
    expect(orders.arrange(altered, json('1', '2'))).toEqual(['1', '2']);
  });

  test('a table is changed exactly when there is something to store', () => {
    const orders = new KeyOrders();
    orders.observe(pair, ['1', '2'], ['2', '1']);
    expect(orders.changed).toEqual(new Set(['pair']));
    const stored = orders.stored('pair')!;
    orders.saved('pair', stored);
    expect(orders.changed.size).toBe(0);
    orders.observe(pair, ['3', '4'], ['4', '3']);
    orders.arrange(pair, json('5', '6'));
    expect(orders.changed.size).toBe(0);
    expect(orders.stored('pair')).toEqual(stored);
    expect(orders.takeTrust()).toBeNull();
  });

  test('what stood in one memo for all tables is read as it was', () => {
    const orders = KeyOrders.fromJSON({
      tables: {
        pair: { columns: ['a', 'b'], possible: [2, 1], assumed: null },
        triple: {
          columns: ['a', 'b', 'c'],
          possible: [7, 7, 7],
          assumed: [0, 1, 2],
        },
      },
    });
    expect(orders.arrange(pair, json('7', '8'))).toEqual(['8', '7']);
    expect(() => orders.declare(triple, [2, 0, 1])).toThrow(
      expect.objectContaining({ code: 'E1017' }),
    );
  });

  test('an assumption that is not stored yet is given up for what others know, and the request is read again', () => {
    const orders = new KeyOrders();
    orders.arrange(pair, json('1', '2'));
    const trust = orders.takeTrust()!;
    expect(orders.stillTrusts(trust)).toBe(true);
    orders.merge('pair', {
      columns: ['a', 'b'],
      possible: [2, 1],
      assumed: [],
    });
    expect(orders.stillTrusts(trust)).toBe(false);
    expect(orders.arrange(pair, json('1', '2'))).toEqual(['2', '1']);
    expect(orders.takeTrust()).toBeNull();
  });

  test('an assumption that another daemon made halts here where it is disproved', () => {
    const orders = new KeyOrders();
    orders.observe(pair, ['1', '2'], ['2', '1']);
    orders.merge('pair', {
      columns: ['a', 'b'],
      possible: [3, 3],
      assumed: [[0, 1]],
    });
    const halt = expect.objectContaining({ code: 'E1017' });
    expect(() => orders.refuseContradicted('pair')).toThrow(halt);
    expect(() => orders.arrange(pair, json('3', '4'))).toThrow(halt);
    // As those hear who read it then.
    const other = restarted(orders);
    expect(() => other.arrange(pair, json('3', '4'))).toThrow(halt);
  });

  test('what two have learned by halves proves the order to both', () => {
    const one = new KeyOrders();
    const other = new KeyOrders();
    one.observe(triple, ['5', '1', '1'], ['1', '1', '5']);
    other.observe(triple, ['1', '1', '6'], ['1', '6', '1']);
    one.merge('triple', other.stored('triple')!);
    expect(one.arrange(triple, json('"c"', '"a"', '"b"'))).toEqual(
      json('"a"', '"b"', '"c"'),
    );
    expect(one.takeTrust()).toBeNull();
  });

  test('rows never teach an order that some row contradicts', () => {
    const scenario = fc.integer({ min: 2, max: 6 }).chain((width) =>
      fc.record({
        order: fc.shuffledSubarray([...Array(width).keys()], {
          minLength: width,
        }),
        rows: fc.array(
          fc.array(fc.constantFrom('1', '2', '3'), {
            minLength: width,
            maxLength: width,
          }),
        ),
      }),
    );
    fc.assert(
      fc.property(scenario, ({ order, rows }) => {
        const names = order.map((_, at) => `k${at}`);
        const table = tableShape('t', names);
        const orders = new KeyOrders();
        for (const target of rows) {
          const source: string[] = [];
          order.forEach((at, t) => {
            source[at] = target[t]!;
          });
          orders.observe(table, source, target);
        }
        if (orders.isProven(table)) {
          const source = order.map((_, at) => `"s${at}"`);
          expect(restarted(orders).arrange(table, json(...source))).toEqual(
            order.map((at) => `"s${at}"`),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});
