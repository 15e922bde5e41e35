/** 6xxx of the catalogue: the source database, read over SQL or from a slot. */
import type { CodeEntry } from './code-entry.ts';

export const sourceCodes = {
  E6001: {
    meaning: 'the source database cannot be read',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'check --sourceConn, and that its account may see the catalog of the tables',
  },
  E6002: {
    meaning: 'the replication slot or the publication does not exist',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'correct --slotName and --publicationName; before the first start create them, or let --createSlot and --createPublication do it. A slot that was there before is lost: see docs/06-postgresql-source.md, "When a slot is lost"',
  },
  E6003: {
    meaning:
      'the replication slot is lost: the source has removed WAL that was not read yet',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'the changes in between can no longer be read: drop the slot, create a new one, and load the tables again as of it, or verify and mend them (docs/06-postgresql-source.md, "When a slot is lost")',
  },
  E6004: {
    meaning: 'another client reads the replication slot',
    disposition: 'retry',
    httpStatus: 500,
    remedy:
      'nothing, if it is another daemon of this pair: this one takes over when that one ends; else stop the other client, or give this one its own slot',
  },
  E6005: {
    meaning: 'the source has gone back in time, or is another database',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'the target may hold changes that the source has lost: verify the two, create a new slot and load again what differs (docs/06-postgresql-source.md, "When the source went back")',
  },
  E6006: {
    meaning: 'the replication slot was moved by somebody else',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'the changes in between were given to somebody else: create a new slot that nobody else uses, and load the tables again as of it, or verify and mend them (docs/06-postgresql-source.md, "When a slot is lost")',
  },
  E6007: {
    meaning: 'the source is not set up for logical decoding',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'replicator preflight with --sourceConn, --slotName and --publicationName names each setting, with the SQL that mends it',
  },
  E6008: {
    meaning: 'staging holds the progress of another source',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'give this source a staging of its own (--dataDir or --stagingSchema); or, when the other source is done with, run replicator staging purge for the schema with no daemon running',
  },
  E6009: {
    meaning:
      'the source sent something that the replication protocol does not have',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'look for a proxy that alters what passes through it; without one, report it with the version of the source',
  },
  E6010: {
    meaning: 'the connection to the source failed',
    disposition: 'retry',
    httpStatus: 500,
    remedy:
      'check the source, the network and --sourceConn; a daemon that has begun to read tries again by itself, and goes on from where it was',
  },
  E6011: {
    meaning: 'a change of the source does not say which row it is',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      "give the target table the same primary key as the source table, or let the source say more: ALTER TABLE … REPLICA IDENTITY FULL, or USING INDEX with one over the columns of the target's key; changes from before that stay as they were, so load the table again and create a new slot",
  },
  E6012: {
    meaning: 'a row of the source is larger than a daemon can hold',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'leave the large column out of the publication (PostgreSQL 15 and later: a column list), and bring its values over by other means',
  },
  E6013: {
    meaning: 'the publication has a table that the target lacks',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'create the table at the target: reading goes on by itself when it is there; or start again with --onUnknown ignore, which leaves out such tables. To take it out of the publication keeps back only what is written afterwards, not the change that waits here',
  },
} as const satisfies Record<`E${number}`, CodeEntry>;

/**
 * What no patience mends, and no daemon may mend by itself: whoever starts
 * again from elsewhere passes over changes in silence.
 */
export const finalSourceCodes: ReadonlySet<string> = new Set([
  'E6002',
  'E6003',
  'E6005',
  'E6006',
  'E6008',
]);
