/**
 * A daemon is frozen with a request in its hands, while others resolve beyond
 * it. What it then answers must be true: a row that it says is taken is there.
 */
import { describe, expect, test } from 'vitest';

import type { Answer } from '../../src/workload/sender.ts';
import { until, webhookPath } from './arena.ts';
import { Fleet, type Member, signalDaemon } from './fleet.ts';
import { HandFeed } from './hand-feed.ts';

const timeoutMs = 600_000;
const busyMs = 120_000;

interface Cast extends AsyncDisposable {
  readonly fleet: Fleet;
  /** One that does not lead, and a feed to it. */
  readonly frozen: Member;
  readonly toFrozen: HandFeed;
  /** Another one. */
  readonly toAwake: HandFeed;
}

async function cast(): Promise<Cast> {
  await using stack = new AsyncDisposableStack();
  // The times are of long ago, and the log must know them.
  const fleet = stack.use(
    await Fleet.open({ args: ['--retireOffset=1000000h'] }),
  );
  const { path } = webhookPath(fleet.target.url);
  await fleet.target.query(
    'create table item (id int8 primary key, v text); create table other (id int8 primary key, v text)',
  );
  const feeds = new Map<Member, HandFeed>();
  // Every daemon knows both tables, as tables that have delivered.
  for (const [place, member] of fleet.members.entries()) {
    const url = `http://127.0.0.1:${member.daemon.port}${path}`;
    const feed = stack.use(new HandFeed(url, busyMs));
    feeds.set(member, feed);
    for (const topic of ['item', 'other']) {
      const row = {
        topic,
        key: [-1],
        after: { id: -1, v: '' },
        at: 10 + place,
      };
      expect(await feed.rows(row)).toMatchObject({ status: 200 });
    }
    expect(await feed.resolved(10 + place)).toMatchObject({ status: 200 });
  }
  const leader = await fleet.leader();
  const [frozen, awake] = fleet.members.filter((member) => member !== leader);
  const moved = stack.move();
  return {
    fleet,
    frozen: frozen!,
    toFrozen: feeds.get(frozen!)!,
    toAwake: feeds.get(awake!)!,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Sends it, and freezes the daemon when the row is on its way into staging. */
async function freezeOver(
  { frozen, toFrozen }: Cast,
  row: Parameters<HandFeed['rows']>[0],
): Promise<{ readonly answer: Promise<Answer> }> {
  frozen.toStaging.hold((chunk) => chunk.includes('in hand'));
  const answer = toFrozen.rows(row);
  answer.catch(() => {});
  await until(
    'the row is on its way into staging',
    () => frozen.toStaging.isHolding,
    busyMs,
  );
  signalDaemon(frozen, 'SIGSTOP');
  return { answer };
}

async function thaw({ frozen }: Cast): Promise<void> {
  await frozen.toStaging.resume();
  signalDaemon(frozen, 'SIGCONT');
}

/** Resolves when the target has these rows, in the order of their keys. */
async function has(
  { fleet }: Cast,
  table: string,
  ...wanted: string[]
): Promise<void> {
  await expect
    .poll(
      async () => {
        const { rows } = await fleet.target.query<{ id: string; v: string }>(
          `select id, v from ${table} where id >= 0 order by id`,
        );
        return rows.map(({ id, v }) => `${id} ${v}`);
      },
      { timeout: busyMs },
    )
    .toEqual(wanted);
}

const inHand = (topic: string, at: number) => ({
  topic,
  key: [1],
  after: { id: 1, v: 'in hand' },
  at,
});

describe('a daemon that is frozen with a row on its way into staging', () => {
  test(
    'refuses it with E1029 where another changefeed has resolved beyond it meanwhile, and takes what comes later',
    { timeout: timeoutMs },
    async () => {
      await using here = await cast();
      const { toFrozen, toAwake: first } = here;
      const { answer } = await freezeOver(here, inHand('other', 20));
      await first.rows({ key: [1], after: { id: 1, v: 'a' }, at: 21 });
      expect(await first.resolved(30)).toMatchObject({ status: 200 });
      await has(here, 'item', '1 a');
      await thaw(here);
      expect(await answer).toMatchObject({
        status: 409,
        body: expect.stringContaining('E1029'),
      });
      expect(await toFrozen.rows(inHand('other', 20))).toMatchObject({
        status: 409,
      });
      const later = inHand('other', 31);
      expect(await toFrozen.rows(later)).toMatchObject({ status: 200 });
      expect(await first.resolved(40)).toMatchObject({ status: 200 });
      await has(here, 'other', '1 in hand');
    },
  );

  test(
    'takes it where nobody has resolved beyond it, and it is applied',
    { timeout: timeoutMs },
    async () => {
      await using here = await cast();
      const { toAwake: first } = here;
      const { answer } = await freezeOver(here, inHand('other', 20));
      expect(await first.resolved(19)).toMatchObject({ status: 200 });
      await thaw(here);
      expect(await answer).toMatchObject({ status: 200 });
      expect(await first.resolved(30)).toMatchObject({ status: 200 });
      await has(here, 'other', '1 in hand');
    },
  );

  test.for([{ isSentElsewhere: true }, { isSentElsewhere: false }])(
    'of the scan of an added table: takes it for a redelivery if it was sent to another daemon too ($isSentElsewhere), and else refuses it',
    { timeout: timeoutMs },
    async ({ isSentElsewhere }) => {
      await using here = await cast();
      const { toFrozen, toAwake: feed, fleet } = here;
      await fleet.target.query(
        'create table added (id int8 primary key, v text)',
      );
      expect(await toFrozen.resolved(20)).toMatchObject({ status: 200 });
      // The scan begins where it will be frozen.
      const scanned = { ...inHand('added', 20), key: [0] };
      expect(
        await toFrozen.rows({
          ...scanned,
          after: { id: 0, v: 'scanned' },
        }),
      ).toMatchObject({ status: 200 });
      const { answer } = await freezeOver(here, inHand('added', 20));
      if (isSentElsewhere) {
        const again = await feed.rows(inHand('added', 20));
        expect(again).toMatchObject({ status: 200 });
        const newer = { ...inHand('added', 25), after: { id: 1, v: 'newer' } };
        expect(await feed.rows(newer)).toMatchObject({ status: 200 });
      }
      expect(await feed.resolved(30)).toMatchObject({ status: 200 });
      const wanted = isSentElsewhere ? ['0 scanned', '1 newer'] : ['0 scanned'];
      await has(here, 'added', ...wanted);
      await thaw(here);
      // The log knows it by now, or it never came.
      expect(await answer).toMatchObject({
        status: isSentElsewhere ? 200 : 409,
      });
      const last = {
        topic: 'added',
        key: [9],
        after: { id: 9, v: 'z' },
        at: 31,
      };
      expect(await feed.rows(last)).toMatchObject({ status: 200 });
      expect(await feed.resolved(40)).toMatchObject({ status: 200 });
      await has(here, 'added', ...wanted, '9 z');
    },
  );
});
