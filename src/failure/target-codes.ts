/** 4xxx of the catalogue: the target. */
import type { CodeEntry } from './code-entry.ts';

export const targetCodes = {
  E4001: {
    meaning: 'the target cannot be reached',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'check that the target database answers, and --targetConn',
  },
  E4002: {
    meaning: 'the connection to the target was lost',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'nothing, if it comes back; else check the target and the network',
  },
  E4003: {
    meaning:
      'the target rolled the transaction back (deadlock, serialization, lock or statement timeout)',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'nothing, if it passes; else find the session that holds the locks',
  },
  E4004: {
    meaning: 'a foreign key is violated',
    disposition: 'defer',
    httpStatus: 503,
    remedy:
      'make sure that the parent table is in the same changefeed; if it is, the row waits for its parent',
  },
  E4005: {
    meaning: 'a row violates a constraint of the target',
    disposition: 'set-aside',
    httpStatus: 503,
    remedy: "make the target's constraints the same as the source's",
  },
  E4006: {
    meaning: 'a value cannot be stored in its target column',
    disposition: 'set-aside',
    httpStatus: 503,
    remedy:
      "make the target column's type at least as wide as the source's, or let the column take null or the nearest value (--valuePolicy)",
  },
  E4007: {
    meaning: 'the target account lacks a privilege',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'grant SELECT, INSERT, UPDATE and DELETE on the tables to the account in --targetConn',
  },
  E4008: {
    meaning: 'the target refused a statement',
    disposition: 'halt',
    httpStatus: 503,
    remedy: 'read the message of the target; the daemon tries again by itself',
  },
  E4009: {
    meaning: 'another replicator has taken over this target schema',
    disposition: 'halt',
    httpStatus: 503,
    remedy: 'stop one of the two; only one may write to a target schema',
  },
  E4010: {
    meaning:
      'the target is out of space, memory or connections, or is read-only',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'make room at the target, or lower --targetMaxPoolSize and --parallelism',
  },
  E4011: {
    meaning: 'the target schema has changed under a statement',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'the schema is read again by itself',
  },
  E4012: {
    meaning: 'a table or column that staged rows need is not at the target',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'create it (it is found at once); rows that nobody needs can be purged (replicator staging purge), and are lost to the target then',
  },
  E4013: {
    meaning: 'a unique key of the target is violated',
    disposition: 'defer',
    httpStatus: 503,
    remedy:
      "make the target's unique constraints the same as the source's, or remove the row that stands in the way",
  },
  E4014: {
    meaning: 'the kind of target database is not supported',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'give a postgresql://, mysql://, mariadb://, sqlserver:// or oracle:// address in --targetConn',
  },
  E4015: {
    meaning: 'the target refused the login',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      "check user, password and database in --targetConn, and the server's own rules of who may log in from where (pg_hba.conf, the host of a MySQL account)",
  },
  E4016: {
    meaning: 'the watermark in the target belongs to another staging store',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'start with the --dataDir or --stagingConn that was used before; if it is lost, delete the row in replicator_checkpoint and bring again what it held: restart the changefeed with a cursor at or before the watermark, or behind a slot load the tables again as of a new one',
  },
  E4017: {
    meaning: "the target's watermark is not where it was left",
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'the target was restored or failed over: the daemon compares and goes on from there',
  },
  E4018: {
    meaning:
      'the primary key of a target table has changed while its rows waited',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'give the table its primary key back (it is found at once), or purge its staged rows and restart the changefeed from a cursor before them (replicator staging purge)',
  },
  E4019: {
    meaning: 'the dead-letter table cannot be made or used',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'run the statement that the message names at the target, or give another --dlqTableName',
  },
  E4021: {
    meaning:
      'rows refer to one another in a circle that nobody can write at the target',
    disposition: 'defer',
    httpStatus: 503,
    remedy:
      'let a column of one of the foreign keys be null at the target, or the foreign key be deferrable, or drop it',
  },
  E4022: {
    meaning: 'the target computes a column of a primary key',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'make it an ordinary column at the target, which takes the value of the source, or give the table a primary key without it',
  },
} as const satisfies Record<`E4${number}`, CodeEntry>;
