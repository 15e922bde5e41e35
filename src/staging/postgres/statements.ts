/** The statements of the store, each one transaction. */
import { zeroTimestamp } from '../../mutation/timestamp.ts';
import {
  checkpointColumns,
  countColumns,
  filterSql,
  summaryColumns,
} from './rows.ts';
import { soughtEntriesLimit } from '../sought-row.ts';
import type { EntryFilter } from '../staging.ts';
import type { Tables } from './schema.ts';

export interface Statements {
  readonly checkpoint: string;
  /** $1 schema, $2 applied, $3 whether it is in the target too. */
  readonly commitApplied: string;
  /** $1 schema, $2 applied. */
  readonly rewindApplied: string;
  /** $1 schema, $2/$3 position, $4 through, $5 after, $6 bytes, $7 rows. */
  readonly read: string;
  /** The last entry of a step. $1 schema, $2 through, $3 limit. */
  readonly retireBoundary: string;
  /** $1 schema, $2 through, $3/$4 the boundary. */
  readonly retire: string;
  readonly schemas: string;
  /** $1 schema or null. */
  readonly size: string;
  /** $1 schema, $2 bucket, $3 after. */
  readonly backlog: string;
  /** Of the last second, in which the latest entry must be. */
  readonly latest: string;
  /** $1 schemas, $2 minTime, $3 id. */
  readonly entry: string;
  readonly memo: string;
  readonly setMemo: string;
  /** $1 name, $2 value; one that is there stays. */
  readonly beginMemo: string;
  /** $1 name, $2 the value that must be there, $3 the new one. */
  readonly moveMemo: string;
  /** $1 name, $2 value; of the two the later stays. */
  readonly raiseMemo: string;
  /** $1 name, $2 schema: raises it to the latest time of the checkpoint. */
  readonly raiseMemoToCheckpoint: string;
  /** Entries that may hold a row: $1 schema, $2 bucket, $3 time, $4 table, $5 limit. */
  readonly countNear: string;
  /** Of the first of these: $1–$4 as above, $5/$6 position, $7 time, $8 head, $9 key (bytes), $10 limit. */
  readonly findNear: string;
  readonly ping: string;
  count(filter: EntryFilter): { text: string; values: string[] };
  /** The last entry of a step of a purge. */
  purgeBoundary(filter: EntryFilter): { text: string; values: string[] };
  /** One step; $1/$2/$3 the boundary. */
  purge(filter: EntryFilter): { text: string; values: string[] };
  readonly forget: string;
  readonly forgetMemo: string;
  /** The last entry of a step of what is later than `resolved`. $1 schema. */
  readonly discardBoundary: string;
  /** One step; $1 schema, $2/$3 the boundary. */
  readonly discard: string;
  list(filter: EntryFilter): { text: string; values: string[] };
}

/** Entries looked at for one page: about 30 MB where requests have 100 rows. */
const pageEntries = 1000;
/** `pg` reads bytes as hexadecimal text; this is shorter, and faster to decode. */
const body = "encode(body, 'base64') as body";
const purgeStepEntries = 1000;

export function newCheckpoint(checkpoint: string): string {
  return `insert into ${checkpoint} as stored
    (schema_name, resolved, resolved_before, applied, applied_in_target, retired)`;
}

export const onCommitApplied = `on conflict (schema_name) do update set
        applied = greatest(stored.applied, excluded.applied),
        applied_in_target = greatest(stored.applied_in_target, excluded.applied_in_target)`;

export function statementsOn(tables: Tables): Statements {
  const { log, checkpoint, memo, version } = tables;
  const zero = `'${zeroTimestamp}'`;
  const near =
    'schema_name = $1 and min_time >= $2 and min_time <= $3 and max_time >= $3 and table_name = $4';
  return {
    checkpoint: `select ${checkpointColumns} from ${checkpoint} where schema_name = $1`,

    commitApplied: `${newCheckpoint(checkpoint)}
      values ($1, ${zero}, ${zero}, $2::text, case when $3::bool then $2::text else ${zero} end, ${zero})
      ${onCommitApplied}`,

    rewindApplied: `with rewound as (
        update ${checkpoint} set
          applied = least(applied, $2),
          applied_in_target = least(applied_in_target, $2)
        where schema_name = $1 and retired <= $2
        returning 1
      )
      select exists (select 1 from rewound)
        or not exists (select 1 from ${checkpoint} where schema_name = $1) as done`,

    // The running totals count the row itself; the first is always taken.
    read: `select ${summaryColumns}, ${body} from (
        select *,
          row_number() over (order by min_time, id) as position,
          sum(byte_count) over (order by min_time, id) as bytes_so_far,
          sum(row_count) over (order by min_time, id) as rows_so_far
        from (
          select ${summaryColumns}, body from ${log}
          where schema_name = $1 and (min_time, id) > ($2, $3)
            and min_time <= $4 and max_time > $5
          order by min_time, id limit ${pageEntries}
        ) as page
      ) as counted
      where position = 1 or (bytes_so_far <= $6 and rows_so_far <= $7)
      order by min_time, id`,

    // A step is found first and deleted then: in one statement the planner
    // joins the two by reading the whole log, and every step again.
    retireBoundary: `with bound as (
        select least(applied, $2) as time from ${checkpoint} where schema_name = $1
      )
      select min_time, id from (
        select min_time, id from ${log}
        where schema_name = $1 and min_time <= (select time from bound)
          and max_time <= (select time from bound)
        order by min_time, id limit $3
      ) as step
      order by min_time desc, id desc limit 1`,

    // The lock makes a rewind wait for this, or this see what it left; the
    // last part names the bound so that it never takes the row first.
    retire: `with bound as (
        select least(applied, $2) as time from ${checkpoint}
        where schema_name = $1 for update
      ), gone as (
        delete from ${log}
        where schema_name = $1 and (min_time, id) <= ($3, $4)
          and max_time <= (select time from bound)
        returning 1
      ), moved as (
        update ${checkpoint} as stored
        set retired = greatest(stored.retired, bound.time)
        from bound where stored.schema_name = $1
        returning 1
      )
      select count(*) as gone from gone`,

    // Hops from schema to schema along the primary key; "distinct" reads all.
    schemas: `with recursive hop (schema_name) as (
        (select schema_name from ${log} order by schema_name limit 1)
        union all
        select (select min(schema_name) from ${log} where schema_name > hop.schema_name)
        from hop where schema_name is not null
      )
      select schema_name from hop where schema_name is not null
      union select schema_name from ${checkpoint}
      order by schema_name`,

    size: `select ${countColumns} from ${log} where $1::text is null or schema_name = $1`,

    backlog: `select ${countColumns} from ${log}
      where schema_name = $1 and min_time >= $2 and max_time > $3`,

    latest: `select max(max_time) as time from ${log}
      where schema_name = $1 and min_time >= (
        select substr(min_time, 1, 10) from ${log}
        where schema_name = $1 order by min_time desc limit 1
      )`,

    entry: `select ${summaryColumns}, ${body} from ${log}
      where schema_name = any ($1::text[]) and min_time = $2 and id = $3`,

    memo: `select value from ${memo} where name = $1`,
    setMemo: `insert into ${memo} (name, value) values ($1, $2)
      on conflict (name) do update set value = excluded.value`,
    beginMemo: `insert into ${memo} (name, value) values ($1, $2)
      on conflict (name) do nothing`,
    moveMemo: `update ${memo} set value = $3 where name = $1 and value = $2`,
    raiseMemo: `insert into ${memo} as stored (name, value) values ($1, $2)
      on conflict (name) do update set value = greatest(stored.value, excluded.value)`,
    raiseMemoToCheckpoint: `insert into ${memo} as stored (name, value)
      select $1::text, greatest(resolved, applied, retired) from ${checkpoint} where schema_name = $2
      on conflict (name) do update set value = greatest(stored.value, excluded.value)`,
    countNear: `select count(*) as entries from (
        select 1 from ${log} where ${near} limit $5
      ) as page`,
    findNear: `select ${summaryColumns}, ${body} from (
        select ${summaryColumns}, body from ${log}
        where ${near} order by min_time, id limit ${soughtEntriesLimit}
      ) as page
      where (min_time, id) > ($5, $6)
        and position($7::bytea in body) > 0
        and (substring(body from 6 for length($8::bytea)) <> $8::bytea or position($9::bytea in body) > 0)
      order by min_time, id limit $10`,
    ping: `select version from ${version}`,

    count(filter) {
      const { where, values } = filterSql(filter, 1);
      return {
        text: `select ${countColumns} from ${log} where ${where}`,
        values,
      };
    },

    purgeBoundary(filter) {
      const { where, values } = filterSql(filter, 1);
      return {
        text: `select schema_name, min_time, id from (
            select schema_name, min_time, id from ${log} where ${where}
            order by schema_name, min_time, id limit ${purgeStepEntries}
          ) as step
          order by schema_name desc, min_time desc, id desc limit 1`,
        values,
      };
    },

    purge(filter) {
      const { where, values } = filterSql(filter, 4);
      return {
        text: `with gone as (
            delete from ${log}
            where (schema_name, min_time, id) <= ($1, $2, $3) and ${where}
            returning schema_name, max_time, row_count, byte_count
          ), moved as (
            update ${checkpoint} as stored
            set retired = greatest(stored.retired, least(stored.applied, latest.max_time))
            from (select schema_name, max(max_time) as max_time from gone group by schema_name) as latest
            where stored.schema_name = latest.schema_name
            returning 1
          )
          select ${countColumns}, max(max_time) as last_time from gone`,
        values,
      };
    },

    forget: `delete from ${checkpoint} where schema_name = $1`,
    forgetMemo: `delete from ${memo} where name = $1`,

    discardBoundary: `select min_time, id from (
        select min_time, id from ${log}
        where schema_name = $1
          and min_time > (select resolved from ${checkpoint} where schema_name = $1)
        order by min_time, id limit ${purgeStepEntries}
      ) as step
      order by min_time desc, id desc limit 1`,
    discard: `with gone as (
        delete from ${log}
        where schema_name = $1 and (min_time, id) <= ($2, $3)
          and min_time > (select resolved from ${checkpoint} where schema_name = $1)
        returning 1
      )
      select count(*) as gone from gone`,

    list(filter) {
      const { where, values } = filterSql(filter, 5);
      return {
        text: `select ${summaryColumns} from ${log}
          where (schema_name, min_time, id) > ($1, $2, $3) and ${where}
          order by schema_name, min_time, id limit $4`,
        values,
      };
    },
  };
}
