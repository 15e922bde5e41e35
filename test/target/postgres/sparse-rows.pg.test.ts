/** Rows that lack columns, of tables that look at a row before it is known whether it is there. */
import { expect, test } from 'vitest';
import { applyTo, row } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

test.for([
  ['a check over several columns', 'check (low <= high)', ''],
  [
    'a trigger before inserts',
    '',
    `create function look() returns trigger language plpgsql as $$
       begin
         if new.low > new.high then raise exception 'too low'; end if;
         return new;
       end $$;
     create trigger look before insert on t for each row execute function look()`,
  ],
])(
  '%s does not refuse a row that is there for what it lacks',
  async ([, check, trigger]) => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      `create table t (id int8 primary key, low int8 default 0, high int8 default 0
         ${check === '' ? '' : `, ${check}`})`,
    );
    if (trigger !== '') {
      await fixture.sql(trigger!);
    }
    await applyTo(fixture, {
      t: [row(1, ['1'], { id: '1', low: '1', high: '9' })],
    });
    await applyTo(fixture, {
      t: [
        row(2, ['1'], { id: '1', low: '5' }),
        row(2, ['2'], { id: '2', high: '3' }),
      ],
    });
    expect(
      await fixture.rows('select id, low, high from t order by id'),
    ).toEqual([
      ['1', '5', '9'],
      ['2', '0', '3'],
    ]);
    // One that is new and does not fit is refused as ever.
    await expect(
      applyTo(fixture, { t: [row(3, ['3'], { id: '3', low: '5' })] }),
    ).rejects.toThrow();
  },
);
