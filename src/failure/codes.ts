/**
 * The catalogue of failures: code, meaning, disposition, HTTP status, remedy.
 * docs/errors.md is printed from this table (`npm run docs`).
 *
 * Ranges: 1xxx webhook, 2xxx staging, 3xxx sequencer, 4xxx target, 5xxx
 * configuration and command line, 6xxx source database. A code, once released, keeps its meaning.
 */
import type { CodeEntry } from './code-entry.ts';
import { sourceCodes } from './source-codes.ts';
import { targetCodes } from './target-codes.ts';
import { webhookCodes } from './webhook-codes.ts';

export type { Disposition } from './code-entry.ts';

export const errorCodes = {
  // 1xxx: the webhook (webhook-codes.ts).
  ...webhookCodes,

  // 2xxx: staging.
  E2001: {
    meaning: 'staging cannot be reached',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'check that the staging database answers, and --stagingConn',
  },
  E2002: {
    meaning: 'staging is full',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'find out why the target does not keep up (/_/healthz says), add resolved to a changefeed that has it not, or raise --stagingMaxBytes',
  },
  E2003: {
    meaning: 'the staging schema was made by a newer version of replicator',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'run that version or a later one; an older one cannot read this staging schema',
  },
  E2004: {
    meaning: 'the staging schema does not exist',
    disposition: 'halt',
    httpStatus: 503,
    remedy: 'create it, or start once with --stagingCreateSchema',
  },
  E2005: {
    meaning: 'another replicator uses this data directory or staging schema',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'stop the other one, or give this one its own --dataDir or --stagingSchema; daemons that work together share a staging server (--stagingConn)',
  },
  E2006: {
    meaning: 'a staged entry is damaged',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'check the disk; restart the changefeed from a cursor before the entry, then purge it (replicator staging list, purge)',
  },
  E2007: {
    meaning: 'the staging store refused a write',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'check the free space and the health of the disk or database that holds staging',
  },
  E2010: {
    meaning: 'another daemon reads the source now',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing is lost: this daemon waits until the other one has ended, and then goes on from where that one was',
  },

  E2011: {
    meaning: 'another daemon leads this target schema, or may lead it by now',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing is lost: this daemon stands by, and applies again when its turn comes',
  },
  E2012: {
    meaning: 'daemons in the other mode use this staging schema',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'run all daemons of one --stagingSchema with --immediate, or all without; to change the mode stop all of them first',
  },

  // 3xxx: the sequencer.
  E3001: {
    meaning:
      'the target lies behind what staging knows to be applied, and the mutations between are retired',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'the target was restored to an older state: restart the changefeed from a cursor before it, after replicator staging purge',
  },
  E3003: {
    meaning: 'something happened that nobody foresaw',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'report it with the log around it; the daemon tries again by itself',
  },
  E3004: {
    meaning: 'this target schema is being opened, or could not be opened yet',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'wait: the changefeed asks again; /_/healthz says what is missing',
  },
  E3005: {
    meaning: 'the daemon is stopping',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'nothing: the changefeed asks again when the daemon is back',
  },
  E3006: {
    meaning: 'too many requests are in flight',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing, if it passes; else raise --memoryLimit or lower the rate of the feed',
  },
  E3007: {
    meaning:
      'transactions that share no row of the feed met at a row that the target itself writes',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing is lost: for some minutes they are applied one after the other; a trigger that writes one shared row makes this the normal pace',
  },
  E3008: {
    meaning:
      'in immediate mode only the daemon that leads takes rows, and another one leads this target schema',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing: the changefeed asks again and the load balancer chooses anew; with many refusals let it send to the daemon whose replicator_leader is 1',
  },
  E3013: {
    meaning: 'more rows would have to be set aside than --dlqLimit allows',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'so many bad rows have one cause: mend it at the target, then retry or discard what is set aside (replicator dlq list, retry, discard), or raise --dlqLimit',
  },
  E3014: {
    meaning:
      'a transaction does not go, though it goes without the rows that were found to be bad',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'something at the target answers differently each time (a trigger, another writer): mend it; it is tried again by itself',
  },
  E3016: {
    meaning: 'more requests wait for their answer than --maxRequestsInFlight',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'nothing, if it passes; else look at /_/healthz for what is slow, or raise --maxRequestsInFlight',
  },

  E3010: {
    meaning:
      'immediate mode writes rows as they come, and foreign keys between tables would refuse some of them',
    disposition: 'halt',
    httpStatus: 503,
    remedy:
      'start without --immediate, or with --bestEffortOnly, which keeps the order of such tables; or take it as it is with --immediateForeignKeys',
  },

  // 4xxx: the target (target-codes.ts).
  ...targetCodes,

  // 5xxx: configuration and command line. Exit code 2 for usage, 1 otherwise.
  E5001: {
    meaning: 'the command line is not understood',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'see replicator help',
  },
  E5002: {
    meaning: 'an option has an invalid value',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'see replicator help <command>',
  },
  E5003: {
    meaning: 'two options contradict each other',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'see docs/options.md',
  },
  E5004: {
    meaning: 'a required option is missing',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'see replicator help <command>',
  },
  E5005: {
    meaning: 'a file that an option names cannot be read',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'check the path and its permissions',
  },
  E5006: {
    meaning: 'the address cannot be listened on',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'choose another address, or stop what listens there',
  },
  E5007: {
    meaning: 'this setting is not safe',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'see docs/07-operations.md, "Safe defaults"',
  },
  E5008: {
    meaning: 'an option of the peer is not available in this version',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'leave it out',
  },
  E5009: {
    meaning: 'the data directory cannot be used',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'check --dataDir, its permissions and the free space',
  },
  E5010: {
    meaning: 'the workload found a difference between source and target',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'the lines above name the table, the key and both rows',
  },
  E5011: {
    meaning: 'the webhook refused a request of the workload',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'read the answer above, or leave --failFast out to try again',
  },
  E5013: {
    meaning: 'dead letters could not be applied',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'the lines above say why, row by row: mend that and retry, or give them up (replicator dlq discard)',
  },
  E5014: {
    meaning: 'there is no such dead letter',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'replicator dlq list --superseded shows which there are; one that was retried or discarded is gone',
  },
  E5016: {
    meaning: 'a key file cannot serve for tokens',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'give a key of EC P-256, P-384 or P-521, or RSA of 2048 to 8192 bits, in PEM form',
  },
  E5017: {
    meaning:
      'the keys of tokens have not been readable from staging for ten minutes',
    disposition: 'retry',
    httpStatus: 503,
    remedy:
      'look at the log and at /_/healthz for what is wrong with staging; the changefeed asks again',
  },
  E5018: {
    meaning: 'the certificate files do not serve',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'see "Certificates" in docs/07-operations.md; replicator make-certs makes a set for a trial',
  },
  E5019: {
    meaning: 'a file cannot be written',
    disposition: 'halt',
    httpStatus: 500,
    remedy: 'check the folder, its permissions and the free space',
  },
  E5020: {
    meaning: 'the audit log cannot be written',
    disposition: 'halt',
    httpStatus: 500,
    remedy:
      'make room, or give --auditLog a file that this account may append to',
  },

  // 6xxx: the source database (source-codes.ts).
  ...sourceCodes,
} as const satisfies Record<`E${number}`, CodeEntry>;

export type ErrorCode = keyof typeof errorCodes;
