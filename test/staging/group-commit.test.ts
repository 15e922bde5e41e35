import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  type GroupCommit,
  type GroupCommitOptions,
  groupCommit,
} from '../../src/staging/group-commit.ts';

/** Commits by remembering; a call named bad or lost can never be committed. */
function recording(options: Partial<GroupCommitOptions<string, string>> = {}): {
  groups: string[][];
  group: GroupCommit<string, string>;
} {
  const groups: string[][] = [];
  const group = groupCommit<string, string>({
    async commit(calls) {
      groups.push([...calls]);
      await sleep(1);
      const failing = calls.find((call) => call === 'bad' || call === 'lost');
      if (failing !== undefined) {
        throw new Error(failing);
      }
      return calls.map((call) => call.toUpperCase());
    },
    isShared: (error) => (error as Error).message === 'lost',
    sizeBytes: (call) => call.length,
    groupBytes: 1000,
    inFlightGroups: 1,
    ...options,
  });
  return { groups, group };
}

test('calls of one turn share one commit, and each gets its own result', async () => {
  const { groups, group } = recording();
  const results = await Promise.all(
    ['a', 'b', 'c'].map((call) => group.submit(call)),
  );
  expect(results).toEqual(['A', 'B', 'C']);
  expect(groups).toEqual([['a', 'b', 'c']]);
});

test('what arrives during a commit goes into the next one together', async () => {
  const { groups, group } = recording();
  const first = group.submit('a');
  await new Promise((resolve) => setImmediate(resolve));
  const rest = ['b', 'c'].map((call) => group.submit(call));
  await Promise.all([first, ...rest]);
  expect(groups).toEqual([['a'], ['b', 'c']]);
});

test('a bad call is found by committing one by one, and fails alone', async () => {
  const { groups, group } = recording();
  const outcomes = await Promise.allSettled(
    ['a', 'bad', 'c'].map((call) => group.submit(call)),
  );
  expect(outcomes.map((outcome) => outcome.status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(groups).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
});

test('when the store is gone all fail at once', async () => {
  const { groups, group } = recording();
  const outcomes = await Promise.allSettled(
    ['a', 'lost', 'c'].map((call) => group.submit(call)),
  );
  expect(outcomes.map((outcome) => outcome.status)).toEqual([
    'rejected',
    'rejected',
    'rejected',
  ]);
  expect(groups).toHaveLength(1);
});

test('a group is closed when it is full, and never holds less than one call', async () => {
  const { groups, group } = recording({ groupBytes: 4 });
  await Promise.all(
    ['aaaaaaaaa', 'bb', 'cc', 'dd'].map((call) => group.submit(call)),
  );
  expect(groups).toEqual([['aaaaaaaaa'], ['bb', 'cc'], ['dd']]);
});

test('as many groups are under way at once as allowed', async () => {
  const { groups, group } = recording({ groupBytes: 1, inFlightGroups: 2 });
  const all = Promise.all(['a', 'b', 'c'].map((call) => group.submit(call)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(groups).toEqual([['a'], ['b']]);
  await all;
  expect(groups).toEqual([['a'], ['b'], ['c']]);
});

test('a call that is aborted while it waits is left out', async () => {
  const { groups, group } = recording();
  const abort = new AbortController();
  const calls = [
    group.submit('a'),
    group.submit('b', abort.signal),
    group.submit('c'),
  ];
  abort.abort(new Error('stop'));
  await expect(Promise.all(calls)).rejects.toThrow('stop');
  await group.idle();
  expect(groups).toEqual([['a', 'c']]);
});

test('idle waits for everything that was submitted', async () => {
  const { groups, group } = recording();
  void group.submit('a');
  void group.submit('b');
  await group.idle();
  expect(groups.flat()).toEqual(['a', 'b']);
  await group.idle();
});
