import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../../../support/stage.ts';

test.for(['check_violation', 'XY001', '42704'])(
  'what a trigger says of a row under SQLSTATE %s reaches neither the log nor a reply',
  async (code) => {
    await using stage = await openStage(`
      create table t (id int primary key, v text);
      create function refuse() returns trigger language plpgsql as $$
        begin
          raise exception 'address % is not allowed', new.v using errcode = '${code}';
        end $$;
      create trigger refused before insert on t for each row execute function refuse()`);
    await stage.start();
    await stage.rows(row('t', 1, [1], { id: 1, v: 'bob@row.example' }));
    await stage.resolve(1);
    const health = await eventually(
      () => stage.health(),
      (text) => text !== 'OK\n',
    );
    expect(`${health}\n${stage.daemon.logs()}`).not.toContain(
      'bob@row.example',
    );
  },
);
