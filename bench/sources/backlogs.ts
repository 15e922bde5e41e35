/**
 * What waits in the slot: many small transactions, made by the source server
 * itself. The rows are the same in every run; which of two lanes commits first
 * is not, so the target is compared with the source and not with a formula.
 */

/** Two, so that transactions lie interleaved in the WAL as in real life. */
export const BACKLOG_LANES = 2;

/** Holds its one row from the last transaction of the backlog on. */
export const END_TABLE = 'bench_end';

export const PUBLICATION = 'bench_publication';

export interface BacklogKind {
  readonly name: string;
  readonly tables: readonly string[];
  readonly changesPerTransaction: number;
  /** The tables with the rows that both sides begin with. */
  readonly createTables: string;
  /** `bench_lane(lane, transactions)`, one transaction a round of its loop. */
  readonly createProcedure: string;
}

/** As pgbench's `-s`; each branch gets a tenth of all transactions. */
const BRANCHES = 10;
const TELLERS = BRANCHES * 10;
const ACCOUNTS = BRANCHES * 100_000;

function laneProcedure(declare: string, body: string): string {
  return `
    create procedure bench_lane(lane int, transactions int)
    language plpgsql as $$
    declare ${declare}
    begin
      set synchronous_commit = off;
      perform setseed(1.0 / (lane + 2));
      for i in 1..transactions loop
        ${body}
        commit;
      end loop;
    end $$`;
}

/**
 * The transaction of pgbench's tpcb-like without its select, on pgbench's own
 * tables. Its history has no primary key; `hid` gives it one.
 */
export const tpcbBacklog: BacklogKind = {
  name: 'tpcb',
  tables: [
    'pgbench_branches',
    'pgbench_tellers',
    'pgbench_accounts',
    'pgbench_history',
  ],
  changesPerTransaction: 4,
  createTables: `
    create table pgbench_branches (
      bid int primary key, bbalance int, filler char(88));
    create table pgbench_tellers (
      tid int primary key, bid int, tbalance int, filler char(84));
    create table pgbench_accounts (
      aid int primary key, bid int, abalance int, filler char(84));
    create table pgbench_history (
      hid int8 primary key, tid int, bid int, aid int, delta int,
      mtime timestamp, filler char(22));
    insert into pgbench_branches (bid, bbalance)
      select n, 0 from generate_series(1, ${BRANCHES}) n;
    insert into pgbench_tellers (tid, bid, tbalance)
      select n, (n - 1) / 10 + 1, 0 from generate_series(1, ${TELLERS}) n;
    insert into pgbench_accounts (aid, bid, abalance, filler)
      select n, (n - 1) / 100000 + 1, 0, '' from generate_series(1, ${ACCOUNTS}) n`,
  createProcedure: laneProcedure(
    'a int; b int; t int; d int;',
    `a := 1 + floor(random() * ${ACCOUNTS});
     b := 1 + floor(random() * ${BRANCHES});
     t := 1 + floor(random() * ${TELLERS});
     d := floor(random() * 10001) - 5000;
     update pgbench_accounts set abalance = abalance + d where aid = a;
     update pgbench_tellers set tbalance = tbalance + d where tid = t;
     update pgbench_branches set bbalance = bbalance + d where bid = b;
     insert into pgbench_history (hid, tid, bid, aid, delta, mtime)
       values (i::int8 * ${BACKLOG_LANES} + lane, t, b, a, d, clock_timestamp());`,
  ),
};

/** One row a transaction, every key new. */
export const insertBacklog: BacklogKind = {
  name: 'inserts',
  tables: ['bench_row'],
  changesPerTransaction: 1,
  createTables: `
    create table bench_row (
      id int8 primary key, account int8 not null,
      amount numeric(12, 2) not null, created_at timestamptz not null,
      currency text not null, state text not null)`,
  createProcedure: laneProcedure(
    'n int8;',
    `n := 1000000000 + i::int8 * ${BACKLOG_LANES} + lane;
     insert into bench_row values (n, n * 7, (n % 1000000)::numeric / 100,
       clock_timestamp(), 'EUR', 'open-' || n % 10);`,
  ),
};
