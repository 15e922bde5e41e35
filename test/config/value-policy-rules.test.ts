import { describe, expect, test } from 'vitest';
import {
  matchesPath,
  parseValuePolicyRules,
} from '../../src/config/value-policy-rules.ts';
import type { ReplicatorError } from '../../src/failure/failure.ts';

const name = (text: string, exact = false): object => ({ text, exact });

describe('--valuePolicy', () => {
  test('is a list of columns and what they may take', () => {
    expect(
      parseValuePolicyRules(
        'orders.note=clamp, *.rate = null,sales.Orders.*=error,"a.b,=""c"."D"=clamp,',
      ),
    ).toEqual([
      { path: [name('orders'), name('note')], policy: 'clamp' },
      { path: [null, name('rate')], policy: 'null' },
      { path: [name('sales'), name('Orders'), null], policy: 'error' },
      { path: [name('a.b,="c', true), name('D', true)], policy: 'clamp' },
    ]);
    expect(parseValuePolicyRules('')).toEqual([]);
  });

  test('says what is wrong with it and how it is written', () => {
    const lineOf = (text: string): string => {
      try {
        parseValuePolicyRules(text);
      } catch (error) {
        return (error as ReplicatorError).line;
      }
      return 'understood';
    };
    const remedy =
      'write table.column=error, =null or =clamp, with commas between; for instance --valuePolicy "orders.note=clamp,*.rate=null"';
    const seen = [
      '*=clamp',
      'orders.note',
      'orders.note=',
      'orders.note=clmap',
      'orders.note=default',
      'a.b=null,orders note=null',
      'a.b.c.d.e=null',
      '.note=null',
      'orders."note=null',
    ].map((text) => lineOf(text));
    expect(seen).toEqual([
      `E5002 --valuePolicy: "*=clamp" is not a table and a column: ${remedy}`,
      `E5002 --valuePolicy: "orders.note" is not a table and a column: ${remedy}`,
      `E5002 --valuePolicy: "" is none of error, null, clamp: ${remedy}`,
      'E5002 --valuePolicy: "clmap" is none of error, null, clamp: write clamp',
      `E5002 --valuePolicy: "default" is none of error, null, clamp: ${remedy}`,
      `E5002 --valuePolicy: "orders note=null" is not a table and a column: ${remedy}`,
      `E5002 --valuePolicy: "a.b.c.d.e=null" is not a table and a column: ${remedy}`,
      `E5002 --valuePolicy: ".note=null" is not a table and a column: ${remedy}`,
      `E5002 --valuePolicy: "orders.\\"note=null" is not a table and a column: ${remedy}`,
    ]);
  });

  test('names tables in either case unless they are quoted, with or without a schema', () => {
    const matches = (rule: string, names: readonly string[]): boolean =>
      matchesPath(parseValuePolicyRules(`${rule}=null`)[0]!.path, names);
    const note = ['shop', 'public', 'ORDERS', 'note'];
    expect(matches('orders.note', note)).toBe(true);
    expect(matches('"orders".note', note)).toBe(false);
    expect(matches('"ORDERS".*', note)).toBe(true);
    expect(matches('public.orders.note', note)).toBe(true);
    expect(matches('shop.public.orders.note', note)).toBe(true);
    expect(matches('shop.orders.note', note)).toBe(false);
    expect(matches('*.note', note)).toBe(true);
    expect(matches('shop.public.orders.note', ['ORDERS', 'note'])).toBe(false);
  });
});
