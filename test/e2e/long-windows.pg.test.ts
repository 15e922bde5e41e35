/** Much between two resolved timestamps: at one time, over hours, of one row. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { peakMiB } from '../support/peak-memory.ts';
import { eventually, openStage, row, type Stage } from '../support/stage.ts';
import { soakKillCount } from './arena.ts';

/** REPLICATOR_GIANT_ROWS=10000000 for a soak. */
const rowCount = Number(
  process.env['REPLICATOR_GIANT_ROWS'] ??
    (soakKillCount > 0 ? 3_000_000 : 200_000),
);
const requestRows = 1_000;
const memoryLimitMiB = 64;
/** A bare daemon has about 120 MiB; all rows together many times the limit. */
const mostMemoryMiB = 4 * memoryLimitMiB + 320;
const timeoutMs = 300_000 + rowCount / 5;
const filler = 'x'.repeat(400);

const tables = `
  create table parent (id int primary key, v text);
  create table child (id int primary key, parent int references parent, v text);
  create table alone (id int primary key, v text)`;

test(
  `${rowCount} rows at one timestamp cross within --memoryLimit, and are seen all at once`,
  async () => {
    await using stage = await openStage(tables);
    await stage.start([`--memoryLimit=${memoryLimitMiB}MiB`]);
    // Children come before their parents, as they may from a changefeed.
    await send(stage, (id) => [
      row('child', 1, [id], { id, parent: id, v: filler }),
      row('alone', 1, [id], { id, v: filler }),
      row('parent', 1, [id], { id, v: filler }),
    ]);
    await stage.resolve(2);
    const seen = await countsUntilAll(stage, Math.ceil(rowCount / 3));
    expect([...seen]).toEqual(
      expect.arrayContaining([`${Math.ceil(rowCount / 3)}`]),
    );
    expect([...seen].filter((count) => count !== '0')).toHaveLength(1);
    expect(peakMiB(stage.daemon.pid)).toBeLessThan(mostMemoryMiB);
  },
  timeoutMs,
);

test(
  `a backlog of ${rowCount} rows over three hours crosses within --memoryLimit`,
  async () => {
    await using stage = await openStage(tables);
    await stage.start([`--memoryLimit=${memoryLimitMiB}MiB`]);
    const stepMs = (3 * 3_600_000) / (rowCount / 3);
    const time = (id: number): number =>
      Math.floor(id * stepMs) - 3 * 3_600_000;
    await send(stage, (id) => [
      row('parent', time(id), [id], { id, v: filler }),
      row('child', time(id), [id], { id, parent: id, v: filler }),
      row('alone', time(id), [id % 1_000], { id: id % 1_000, v: `${id}` }),
    ]);
    await stage.resolve(1);
    await countsUntilAll(stage, Math.ceil(rowCount / 3));
    const { rows } = await stage.database.query(
      `select count(*)::int as count, min(v::int) as oldest, max(v::int) as newest from alone`,
    );
    const last = Math.ceil(rowCount / 3) - 1;
    expect(rows).toEqual([{ count: 1_000, oldest: last - 999, newest: last }]);
    expect(peakMiB(stage.daemon.pid)).toBeLessThan(mostMemoryMiB);
  },
  timeoutMs,
);

test('a hundred thousand updates of one row cost a handful of writes', async () => {
  await using stage = await openStage(`
    create table hot (id int primary key, v int);
    create table writes (n int primary key, v int);
    create sequence n;
    create function note() returns trigger language plpgsql as $$
      begin insert into writes values (nextval('n'), new.v); return null; end $$;
    create trigger noted after insert or update on hot for each row execute function note()`);
  await stage.start();
  const count = 100_000;
  for (let from = 0; from < count; from += requestRows) {
    const reply = await stage.rows(
      ...Array.from({ length: requestRows }, (_, at) =>
        row('hot', from + at + 1, [1], { id: 1, v: from + at + 1 }),
      ),
    );
    expect(reply.status).toBe(200);
  }
  await stage.resolve(count + 1);
  const rows = await eventually(
    async () =>
      (await stage.database.query('select v from writes order by n')).rows,
    (written) => written.at(-1)?.['v'] === count,
    60_000,
  );
  const versions = rows.map(({ v }) => v as number);
  expect(versions.at(-1)).toBe(count);
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  expect(versions.length).toBeLessThanOrEqual(20);
});

async function send(
  stage: Stage,
  rowsOf: (id: number) => readonly object[],
): Promise<void> {
  const ids = Math.ceil(rowCount / 3);
  const step = Math.ceil(requestRows / 3);
  for (let from = 0; from < ids; from += step) {
    const payload = Array.from(
      { length: Math.min(step, ids - from) },
      (_, at) => rowsOf(from + at),
    ).flat();
    // 503 where there is no room at the moment.
    for (;;) {
      const { status } = await stage.rows(...payload);
      if (status === 200) {
        break;
      }
      expect(status).toBe(503);
      await sleep(200);
    }
  }
}

/** What the parents were counted as, in one snapshot with their children each. */
async function countsUntilAll(
  stage: Stage,
  wanted: number,
): Promise<Set<string>> {
  const seen = new Set<string>();
  while (!seen.has(String(wanted))) {
    const { rows } = await stage.database.query(
      'select (select count(*) from parent) as parents, (select count(*) from child) as children',
    );
    expect(rows[0]!['children']).toBe(rows[0]!['parents']);
    seen.add(String(rows[0]!['parents']));
    // Counting what cannot be seen yet is work for the server too.
    await sleep(100 + rowCount / 2_000);
  }
  return seen;
}
