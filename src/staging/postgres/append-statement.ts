/**
 * One group commit as one statement, and so as one transaction and one round
 * trip: every waiting entry and every waiting resolved timestamp.
 *
 * The bodies travel as one value and are cut apart by the server: the text of
 * the statement is the same for any number of entries, and `pg` sends one
 * Buffer as bytes but an array of them as hexadecimal text.
 */
import type { SchemaName } from '../../mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import type { AppendGuard, NewEntry } from '../staging.ts';
import type { Gate } from './append-gate.ts';
import type { Statement } from './connections.ts';
import type { Tables } from './schema.ts';

export interface ResolvedTime {
  readonly schema: SchemaName;
  readonly time: Timestamp;
}

/** A memo that moves from a value that it must have. */
export interface MemoMove {
  readonly name: string;
  readonly value: string;
  readonly previous: string;
}

/** Entries of one call, which go in together or not at all. */
export interface Appended {
  readonly entries: readonly NewEntry[];
  readonly guard?: AppendGuard | undefined;
}

/**
 * `refused` names the calls, by their place, whose guard no longer holds: their
 * entries are left out. What it compares with is what stood in the row before
 * this statement, and still does behind its gate (append-gate.ts); what the
 * statement itself resolves becomes true together with its entries.
 *
 * `resolved_before` is what the row said before: only so can one statement
 * both move it and tell whether a timestamp went backwards.
 *
 * Each table is written once: CockroachDB refuses a statement that inserts
 * into a table and updates it (cockroachdb/cockroach#70731).
 */
export function appendText(tables: Tables): string {
  const zero = `'${zeroTimestamp}'`;
  return `
    with refused as (
      select guard.call_no
      from unnest($15::int8[], $16::text[], $17::text[]) as guard (call_no, schema_name, above)
      join ${tables.checkpoint} as stored on stored.schema_name = guard.schema_name
      where stored.resolved >= guard.above
    ), appended as (
      insert into ${tables.log}
        (schema_name, min_time, id, max_time, table_name, row_count, byte_count, body)
      select schema_name, min_time, id, max_time, table_name, row_count, byte_count,
        substring($9::bytea from first_byte::int for byte_count::int)
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
        $6::int8[], $7::int8[], $8::int8[], $18::int8[])
        as entry (schema_name, min_time, id, max_time, table_name, row_count, byte_count, first_byte, call_no)
      where call_no not in (select call_no from refused)
      returning 1
    ), resolved as (
      insert into ${tables.checkpoint} as stored
        (schema_name, resolved, resolved_before, resolved_count, applied, applied_in_target, retired)
      select schema_name, resolved, ${zero}, resolved_count, ${zero}, ${zero}, ${zero}
      from unnest($10::text[], $11::text[], $19::int8[]) as given (schema_name, resolved, resolved_count)
      on conflict (schema_name) do update set
        resolved_before = stored.resolved,
        resolved_count = stored.resolved_count + excluded.resolved_count,
        resolved = greatest(stored.resolved, excluded.resolved)
      returning schema_name, resolved, resolved_before, resolved_count, applied, applied_in_target, retired
    ), given as (
      select name, value, previous
      from unnest($12::text[], $13::text[], $14::text[]) as given (name, value, previous)
    ), moved as (
      update ${tables.memo} as stored set value = given.value
      from given where stored.name = given.name and stored.value = given.previous
      returning 1
    )
    select resolved.*, 1 / (case when
      (select count(*) from moved) = (select count(*) from given)
      then 1 else 0 end) as memos_moved,
      (select string_agg(call_no::text, ',') from refused) as refused
    from (select 1) as one left join resolved on true`;
}

export function appendValues(
  appended: readonly Appended[],
  resolved: readonly ResolvedTime[],
  moves: readonly MemoMove[],
  nextId: () => string,
): unknown[] {
  const entries = appended.flatMap((call) => call.entries);
  const firstBytes: number[] = [];
  let byteCount = 0;
  for (const entry of entries) {
    // substring counts from 1.
    firstBytes.push(byteCount + 1);
    byteCount += entry.body.length;
  }
  // One row a schema, always in the same order, so that groups on several
  // connections never lock rows crosswise.
  const latest = new Map<SchemaName, Timestamp>();
  const counts = new Map<SchemaName, number>();
  for (const { schema, time } of resolved) {
    counts.set(schema, (counts.get(schema) ?? 0) + 1);
    const known = latest.get(schema);
    if (known === undefined || known < time) {
      latest.set(schema, time);
    }
  }
  const schemas = [...latest.keys()].toSorted();
  const guards = appended.flatMap(({ guard }, call) =>
    guard === undefined ? [] : [{ ...guard, call }],
  );
  return [
    entries.map((entry) => entry.schema),
    entries.map((entry) => entry.minTime),
    entries.map(() => nextId()),
    entries.map((entry) => entry.maxTime),
    entries.map((entry) => entry.table),
    entries.map((entry) => entry.rowCount),
    entries.map((entry) => entry.body.length),
    firstBytes,
    Buffer.concat(
      entries.map((entry) => entry.body),
      byteCount,
    ),
    schemas,
    schemas.map((schema) => latest.get(schema)),
    moves.map(({ name }) => name),
    moves.map(({ value }) => value),
    moves.map(({ previous }) => previous),
    guards.map(({ call }) => call),
    guards.map(({ schema }) => schema),
    guards.map(({ above }) => above),
    appended.flatMap((call, place) => call.entries.map(() => place)),
    schemas.map((schema) => counts.get(schema)),
  ];
}

export function appendStatement(
  text: string,
  values: readonly unknown[],
  gates: readonly Gate[],
): Statement {
  return { name: 'replicator_stage', text, values, gates };
}
