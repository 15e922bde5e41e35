/** Cases of the target contract: epochs that are claimed by number, and fences. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Target } from '../../src/target/target.ts';
import { createApplier } from '../../src/target/applier.ts';
import {
  at,
  failureOf,
  type RegisterCase,
  row,
  shapeOf,
  type TargetFixture,
} from './target-fixture.ts';

export function registerEpochCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  async function openWithItem(): Promise<TargetFixture> {
    const fixture = await open();
    await fixture.sql(
      `create table item (id ${fixture.ddl.integer} primary key)`,
    );
    return fixture;
  }

  async function commitBehindFence(
    fixture: TargetFixture,
    id: number,
    epoch: number,
  ): Promise<void> {
    const { target, schema } = fixture;
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await using transaction = await target.begin();
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [id], { id: String(id) })] }],
      transaction,
      new AbortController().signal,
    );
    await transaction.commit({ schema, epoch });
  }

  const idsOf = (fixture: TargetFixture): Promise<unknown> =>
    fixture.rows('select id from item order by id');

  test('an epoch that is given is claimed only above the one there', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    const claim = (epoch: number | null) =>
      target.claimCheckpoint(schema, 'here', epoch);
    expect((await claim(4))!.epoch).toBe(4);
    expect((await claim(null))!.epoch).toBe(5);
    for (const late of [0, 4, 5]) {
      expect((await failureOf(claim(late))).code).toBe('E4009');
    }
    expect((await target.checkpoint(schema))!.epoch).toBe(5);
    expect((await claim(9))!.epoch).toBe(9);
  });

  test('an epoch that is given takes nothing from another staging store', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    const claimed = (await target.claimCheckpoint(schema, 'here', 3))!;
    {
      await using transaction = await target.begin();
      await transaction.commit({
        schema,
        checkpoint: { applied: at(5), epoch: 3 },
        previous: claimed.applied,
      });
    }
    for (const epoch of [2, 8]) {
      const claim = target.claimCheckpoint(schema, 'there', epoch);
      expect((await failureOf(claim)).code).toBe('E4016');
    }
    expect(await target.checkpoint(schema)).toEqual({
      applied: at(5),
      epoch: 3,
    });
  });

  test('of many that claim at once each epoch is had by one at most, and the highest stays', async () => {
    await using fixture = await open();
    const { target, schema } = fixture;
    await target.claimCheckpoint(schema, 'here', 1);
    const outcomes = await Promise.allSettled(
      [5, 2, 9, 9, 3, 7].map((epoch) =>
        target.claimCheckpoint(schema, 'here', epoch),
      ),
    );
    const codes = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason.code] : [],
    );
    expect([...new Set(codes)]).toEqual(['E4009']);
    const won = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value!.epoch] : [],
    );
    expect(new Set(won).size).toBe(won.length);
    expect(won).toContain(9);
    expect((await target.checkpoint(schema))!.epoch).toBe(9);
  });

  test('a commit behind a fence leaves the watermark where it is', async () => {
    await using fixture = await openWithItem();
    const { target, schema } = fixture;
    const { epoch, applied } = (await target.claimCheckpoint(
      schema,
      'here',
      null,
    ))!;
    await commitBehindFence(fixture, 1, epoch);
    await commitBehindFence(fixture, 2, epoch);
    expect(await idsOf(fixture)).toEqual([['1'], ['2']]);
    expect(await target.checkpoint(schema)).toEqual({ applied, epoch });
  });

  test('behind a fence an old holder commits nothing', async () => {
    await using fixture = await openWithItem();
    const { target, schema } = fixture;
    const { epoch } = (await target.claimCheckpoint(schema, 'here', null))!;
    await target.claimCheckpoint(schema, 'here', epoch + 1);
    const failure = await failureOf(commitBehindFence(fixture, 1, epoch));
    expect([failure.code, failure.disposition]).toEqual(['E4009', 'halt']);
    expect(await idsOf(fixture)).toEqual([]);
  });

  test('a fence tells a target that has fallen back: an earlier epoch, or no row', async () => {
    await using fixture = await openWithItem();
    const { target, schema } = fixture;
    const { epoch } = (await target.claimCheckpoint(schema, 'here', 6))!;
    await fixture.sql('update replicator_checkpoint set epoch = 4');
    const earlier = await failureOf(commitBehindFence(fixture, 1, epoch));
    expect([earlier.code, earlier.disposition]).toEqual(['E4017', 'retry']);
    await fixture.sql('delete from replicator_checkpoint');
    const gone = await failureOf(commitBehindFence(fixture, 1, epoch));
    expect([gone.code, gone.disposition]).toEqual(['E4017', 'retry']);
    expect(await idsOf(fixture)).toEqual([]);
  });

  test('of commits behind fences and a claim beside them none is seen after the claim has ended', async () => {
    await using fixture = await openWithItem();
    const { target, schema } = fixture;
    const { epoch } = (await target.claimCheckpoint(schema, 'here', null))!;
    await using young: Target = await fixture.reopen({});
    let hasClaimed = false;
    let committedAfter = 0;
    const commits = Array.from({ length: 12 }, async (_, index) => {
      await sleep(index * 2);
      const isLate = hasClaimed;
      try {
        await commitBehindFence(fixture, index, epoch);
        committedAfter += isLate ? 1 : 0;
        return 1;
      } catch (error) {
        expect((error as { code?: string }).code).toBe('E4009');
        return 0;
      }
    });
    const counted = (async () => {
      await sleep(8);
      await young.claimCheckpoint(schema, 'here', epoch + 1);
      hasClaimed = true;
      return (await fixture.rows('select id from item')).length;
    })();
    const committed = await Promise.all(commits);
    const sum = committed.reduce((total: number, one) => total + one, 0);
    expect(committedAfter).toBe(0);
    expect(await counted).toBe(sum);
    expect((await fixture.rows('select id from item')).length).toBe(sum);
  });
}
