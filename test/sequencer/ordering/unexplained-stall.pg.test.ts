import { expect, test } from 'vitest';
import { meteredTarget } from '../../../src/pipeline/watching/metered-target.ts';
import type { Target } from '../../../src/target/target.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { applied, row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

/** As an account without the privilege to look at locks sees the server. */
function withoutSightOfLocks(target: Target): Target {
  const seeing = meteredTarget(target, createMetrics());
  return {
    ...seeing,
    async begin(signal) {
      return {
        ...(await seeing.begin(signal)),
        waitsForLock: () => Promise.resolve(null),
      };
    },
  };
}

test('a younger batch gives way to an older one that may wait for it, where the target does not tell', async () => {
  await using house = await testHouse({
    wrapTarget: withoutSightOfLocks,
    // No timeout of the target ends it instead.
    applyTimeoutMs: 0,
    sequencer: { flushSize: 1 },
  });
  await house.database.query(`
    create table t (id int primary key, v int);
    create table total (one int primary key, n bigint);
    insert into total values (1, 0);
    create function count_rows() returns trigger language plpgsql as $$
      begin
        -- The older batch comes last to the shared row.
        if new.id = 1 then perform pg_sleep(0.5); end if;
        update total set n = n + 1;
        return null;
      end $$;
    create trigger counted after insert on t for each row execute function count_rows()`);
  await send(
    house,
    [1, 2, 3, 4].map((id) => row('t', id, id, { v: id })),
    10,
  );
  await applied(house, 10);
  expect(await rowsOf(house, 'select id from t order by id')).toEqual([
    '1',
    '2',
    '3',
    '4',
  ]);
  expect(await rowsOf(house, 'select n from total')).toEqual(['4']);
});
