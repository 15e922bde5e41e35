/** PostgreSQL's own subscriber between the same two servers. */
import type { Floor } from '../case.ts';
import { openPool } from '../pool.ts';
import { type BacklogKind, PUBLICATION } from '../sources/backlogs.ts';
import { openPings } from '../sources/pings.ts';
import { slotSource } from '../sources/slot-source.ts';

const SUBSCRIPTION = 'bench_subscription';

interface Subscription {
  readonly targetUrl: string;
  readonly sourceUrl: string;
  readonly slotName: string;
}

/** Subscribes the database at the URL; ends before the slot is dropped. */
export async function subscribe({
  targetUrl,
  sourceUrl,
  slotName,
}: Subscription): Promise<AsyncDisposable> {
  const pool = openPool(targetUrl, 1);
  const connection = sourceUrl.replaceAll("'", "''");
  await pool.query(
    `create subscription ${SUBSCRIPTION} connection '${connection}'
     publication ${PUBLICATION}
     with (copy_data = false, create_slot = false, slot_name = '${slotName}')`,
  );
  return {
    async [Symbol.asyncDispose]() {
      await pool.query(`alter subscription ${SUBSCRIPTION} disable`);
      await pool.query(
        `alter subscription ${SUBSCRIPTION} set (slot_name = none)`,
      );
      await pool.query(`drop subscription ${SUBSCRIPTION}`);
      await pool.end();
    },
  };
}

/** As it comes: values in binary form (`binary = true`) are no faster. */
export function subscriptionFloor(kind: BacklogKind): Floor {
  return {
    name: `subscription of PostgreSQL, ${kind.name}`,
    async measure({ environment, changes }) {
      await using stack = new AsyncDisposableStack();
      const source = await slotSource(environment);
      const backlog = await source.backlog(kind, changes);
      const target = stack.use(await backlog.openTarget());
      const slot = stack.use(await backlog.openSlot());
      const never = new AbortController().signal;
      stack.use(
        await subscribe({
          targetUrl: target.url,
          sourceUrl: backlog.sourceUrl,
          slotName: slot.name,
        }),
      );
      await slot.untilActive(never);
      const startedAtMs = performance.now();
      await target.untilEnd(never);
      const elapsedMs = performance.now() - startedAtMs;
      await target.verify();
      return (backlog.changes * 1000) / elapsedMs;
    },
  };
}

export const subscriptionLatencyFloor: Floor = {
  name: 'subscription of PostgreSQL, paced',
  async measure({ environment, seconds }) {
    await using stack = new AsyncDisposableStack();
    const pings = stack.use(await openPings(environment));
    stack.use(await subscribe(pings.places));
    const never = new AbortController().signal;
    await pings.slot.untilActive(never);
    return await pings.run(seconds, never);
  },
};
