import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Spool } from '../../../src/source/logical/spool.ts';

async function spoolFolder(): Promise<AsyncDisposable & { path: string }> {
  const parent = await mkdtemp(join(tmpdir(), 'spool-'));
  return {
    path: join(parent, 'spool'),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  };
}

async function taken(spool: Spool, xid: number): Promise<string[]> {
  const messages: string[] = [];
  for await (const message of spool.take(xid)) {
    messages.push(message.toString('latin1'));
  }
  return messages;
}

type Step =
  | {
      readonly does: 'put';
      readonly xid: number;
      readonly sub: number;
      readonly length: number;
    }
  | { readonly does: 'abortPart'; readonly xid: number; readonly sub: number }
  | { readonly does: 'abort' | 'take'; readonly xid: number };

const xids = fc.constantFrom(1, 2, 3);
const subs = fc.constantFrom(0, 1, 2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant('put' as const),
      xid: xids,
      sub: subs,
      // Nothing, small ones, and such as end a block or span several.
      length: fc.oneof(
        { weight: 6, arbitrary: fc.nat(200) },
        fc.integer({ min: 90_000, max: 140_000 }),
        fc.constantFrom(256 * 1024 - 8, 256 * 1024, 700_000),
      ),
    }),
  },
  fc.record({ does: fc.constant('abortPart' as const), xid: xids, sub: subs }),
  fc.record({ does: fc.constantFrom('abort', 'take'), xid: xids }),
);

test('whatever is put, rolled back in part or whole and taken, in any order: a transaction comes back as it was put, without what was rolled back', async () => {
  await using folder = await spoolFolder();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      await using spool = new Spool(folder.path);
      const model = new Map<number, { sub: number; text: string }[]>();
      let putCount = 0;
      /** An id that was rolled back is never used again. */
      let generation = 0;
      for (const each of steps) {
        const { xid } = each;
        const known = model.get(xid);
        if (each.does === 'put') {
          putCount += 1;
          const sub = generation * 100 + xid * 10 + each.sub;
          const text = `${putCount}:`
            .padEnd(each.length, String.fromCodePoint(32 + (putCount % 200)))
            .slice(0, each.length);
          const bytes = Buffer.from(text, 'latin1');
          await spool.put(xid, sub, bytes);
          // The spool must not keep a view of what the socket reuses.
          bytes.fill(0);
          model.set(xid, [...(known ?? []), { sub, text }]);
        } else if (each.does === 'abortPart') {
          const sub = generation * 100 + xid * 10 + each.sub;
          spool.abortPart(xid, sub);
          generation += 1;
          if (known) {
            const kept = known.filter((message) => message.sub !== sub);
            model.set(xid, kept);
          }
        } else {
          const messages = each.does === 'take' ? await taken(spool, xid) : [];
          if (each.does === 'abort') {
            await spool.abort(xid);
          } else {
            expect(messages).toEqual((known ?? []).map(({ text }) => text));
          }
          model.delete(xid);
        }
      }
      expect(spool.transactionCount).toBe(model.size);
      for (const [xid, messages] of model) {
        expect(await taken(spool, xid)).toEqual(
          messages.map(({ text }) => text),
        );
      }
      expect(spool.transactionCount).toBe(0);
      expect(spool.sizeBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('savepoints rolled back on both sides of a block take only their own messages with them', async () => {
  await using folder = await spoolFolder();
  await using spool = new Spool(folder.path);
  const filler = Buffer.alloc(100_000, 'f');
  for (let round = 0; round < 9; round += 1) {
    await spool.put(7, 7, Buffer.from(`kept ${round}`));
    await spool.put(7, 100 + round, Buffer.from(`part ${round}`));
    await spool.put(7, 200, filler);
  }
  for (const subXid of [100, 104, 108, 200]) {
    spool.abortPart(7, subXid);
  }
  expect(await taken(spool, 7)).toEqual(
    Array.from({ length: 9 }, (_, round) => [
      `kept ${round}`,
      ...(round % 4 === 0 ? [] : [`part ${round}`]),
    ]).flat(),
  );
});

test('nothing of a spool has a name on the disk, full or disposed', async () => {
  await using folder = await spoolFolder();
  {
    await using spool = new Spool(folder.path);
    await spool.put(1, 1, Buffer.alloc(600_000, 'a'));
    await spool.put(2, 2, Buffer.alloc(600_000, 'b'));
    expect(spool.sizeBytes).toBeGreaterThan(1_200_000);
    expect(await readdir(folder.path)).toEqual([]);
  }
  expect(await readdir(folder.path)).toEqual([]);
});

test('a transaction whose reader stops half-way is forgotten', async () => {
  await using folder = await spoolFolder();
  await using spool = new Spool(folder.path);
  for (let index = 0; index < 10; index += 1) {
    await spool.put(1, 1, Buffer.alloc(100_000, 'a'));
  }
  for await (const message of spool.take(1)) {
    expect(message.length).toBe(100_000);
    break;
  }
  expect(spool.transactionCount).toBe(0);
  expect(await taken(spool, 1)).toEqual([]);
});

test('messages of many blocks come back whole between small ones', async () => {
  await using folder = await spoolFolder();
  await using spool = new Spool(folder.path);
  const sizes = [10, 262_136, 5, 48 << 20, 1, 700_000, 3];
  for (const [index, size] of sizes.entries()) {
    await spool.put(7, 7, Buffer.alloc(size, index + 1));
  }
  const found: [size: number, first: number, last: number][] = [];
  for await (const message of spool.take(7)) {
    found.push([message.length, message[0]!, message.at(-1)!]);
  }
  expect(found).toEqual(
    sizes.map((size, index) => [size, index + 1, index + 1]),
  );
});
