import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../support/stage.ts';

test('a younger batch that holds what an older one waits for, by a trigger of the target, gives way', async () => {
  await using stage = await openStage(`
    create table t (id int primary key, v text);
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
  await stage.start(['--applyTimeout=0', '--flushSize=1']);
  for (let id = 1; id <= 4; id += 1) {
    await stage.rows(row('t', id, [id], { id, v: 'x' }));
  }
  await stage.resolve(10);
  const { rows } = await eventually(
    () => stage.database.query('select id from t'),
    (found) => found.rows.length === 4,
  );
  expect(rows).toHaveLength(4);
});
