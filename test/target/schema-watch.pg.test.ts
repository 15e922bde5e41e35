import { describe, expect, test } from 'vitest';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  shapeFromJson,
  shapeToJson,
  watchSchema,
} from '../../src/target/schema-watch.ts';
import type { SchemaShape, Target } from '../../src/target/target.ts';
import { failureOf, shapeOf } from '../contract/target-fixture.ts';
import { postgresFixture } from './postgres/fixture.ts';

const never = new AbortController().signal;

/** The same target, and how often it was asked for its tables. */
function counted(target: Target): {
  target: Target;
  lookCount: () => number;
  most: () => number;
} {
  let lookCount = 0;
  let now = 0;
  let most = 0;
  const watched = new Proxy(target, {
    get(inner, name) {
      if (name !== 'introspect') {
        return Reflect.get(inner, name) as unknown;
      }
      return async (schema: SchemaName, signal?: AbortSignal) => {
        lookCount += 1;
        now += 1;
        most = Math.max(most, now);
        try {
          return await inner.introspect(schema, signal);
        } finally {
          now -= 1;
        }
      };
    },
  });
  return { target: watched, lookCount: () => lookCount, most: () => most };
}

describe('the schema watch', () => {
  test('those who ask while a look is under way share the next one', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    const { target, lookCount, most } = counted(fixture.target);
    await using watch = watchSchema(target, fixture.schema, {
      refreshMs: 0,
      signal: never,
    });
    expect(watch.current).toBeNull();
    const shapes = await Promise.all(
      Array.from({ length: 20 }, () => watch.refresh()),
    );
    expect(new Set(shapes)).toEqual(new Set([watch.current]));
    expect([lookCount(), most()]).toEqual([2, 1]);
  });

  test('looks by itself, tells what is new and what went wrong, and stops with its signal', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    const abort = new AbortController();
    const seen: SchemaShape[] = [];
    const errors: unknown[] = [];
    const { target, lookCount } = counted(fixture.target);
    await using watch = watchSchema(target, fixture.schema, {
      refreshMs: 20,
      signal: abort.signal,
      onChange: (shape) => seen.push(shape),
      onError: (error) => errors.push(error),
    });
    await expect.poll(() => seen.length).toBe(1);
    await fixture.sql('create table later (id int8 primary key)');
    await expect.poll(() => seen.length).toBe(2);
    expect([...watch.current!.tables.keys()]).toEqual(['item', 'later']);
    await fixture.sql('alter schema public rename to elsewhere');
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject({ code: 'E4012' });
    expect([...watch.current!.tables.keys()]).toEqual(['item', 'later']);
    abort.abort();
    const count = lookCount();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(lookCount()).toBe(count);
    await expect(watch.refresh()).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('begins with what was remembered, and is silent while that still holds', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    const remembered = shapeFromJson(shapeToJson(await shapeOf(fixture)));
    const seen: SchemaShape[] = [];
    await using watch = watchSchema(fixture.target, fixture.schema, {
      refreshMs: 0,
      initial: remembered,
      signal: never,
      onChange: (shape) => seen.push(shape),
    });
    expect(watch.current).toBe(remembered);
    expect(await watch.refresh()).toBe(remembered);
    expect(seen).toEqual([]);
  });

  test('a schema that is not there is a failure that says so', async () => {
    await using fixture = await postgresFixture();
    await using watch = watchSchema(fixture.target, 'no.where' as SchemaName, {
      refreshMs: 0,
      signal: never,
    });
    const failure = await failureOf(watch.refresh());
    expect([failure.code, failure.message]).toEqual([
      'E4012',
      'the schema no.where is not at the target',
    ]);
  });
});
