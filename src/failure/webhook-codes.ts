/**
 * 1xxx of the catalogue: the webhook. The body of the reply is shown as the
 * changefeed's error.
 */
import type { CodeEntry } from './code-entry.ts';

export const webhookCodes = {
  E1001: {
    meaning: 'the request body is not valid JSON',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      "use format='json' in CREATE CHANGEFEED, and look for a proxy that alters bodies",
  },
  E1002: {
    meaning: 'the request body is not valid UTF-8',
    disposition: 'halt',
    httpStatus: 400,
    remedy: 'look for a proxy that alters bodies; a changefeed sends UTF-8',
  },
  E1003: {
    meaning: 'a value holds the character NUL, which the target cannot store',
    disposition: 'halt',
    httpStatus: 422,
    remedy:
      'remove U+0000 from the row at the source, or leave the column out with a CDC query',
  },
  E1004: {
    meaning: 'the JSON is nested too deeply',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'flatten the JSON value at the source, or leave its column out with a CDC query',
  },
  E1005: {
    meaning: 'the request body is too large',
    disposition: 'halt',
    httpStatus: 413,
    remedy:
      'lower Flush.Bytes in webhook_sink_config, or raise --maxBodyBytes when one row is that large',
  },
  E1006: {
    meaning: 'the request body is too large once decompressed',
    disposition: 'halt',
    httpStatus: 413,
    remedy:
      'lower Flush.Bytes in webhook_sink_config, or raise --maxInflatedBytes when one row is that large',
  },
  E1007: {
    meaning: 'the content encoding is not supported',
    disposition: 'halt',
    httpStatus: 415,
    remedy: "use compression='gzip' or 'zstd', or none, in CREATE CHANGEFEED",
  },
  E1008: {
    meaning: 'the content type is not supported',
    disposition: 'halt',
    httpStatus: 415,
    remedy:
      "use format='json' in CREATE CHANGEFEED; csv and avro are not understood",
  },
  E1009: {
    meaning: '"length" does not match the number of rows in "payload"',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'the body was cut or altered on its way: look for a proxy that rewrites it',
  },
  E1010: {
    meaning: 'a row carries no "updated" timestamp',
    disposition: 'halt',
    httpStatus: 400,
    remedy: 'add updated to the WITH options of CREATE CHANGEFEED',
  },
  E1011: {
    meaning: 'a row carries no "topic", so its table is not known',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'for a CDC query put the table into the path (/database/schema/table); a table feed names its topic by itself',
  },
  E1012: {
    meaning: 'a row carries no "key"',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'select the primary key columns in the CDC query, or use a table feed, which sends the key',
  },
  E1013: {
    meaning: 'the request path names no target schema',
    disposition: 'halt',
    httpStatus: 404,
    remedy:
      "correct the path in INTO 'webhook-https://host:port/database/schema'",
  },
  E1014: {
    meaning: 'the target has no such schema',
    disposition: 'halt',
    httpStatus: 404,
    remedy:
      'correct the path in the changefeed URL, or create the schema at the target',
  },
  E1015: {
    meaning: 'the target schema has no such table',
    disposition: 'halt',
    httpStatus: 404,
    remedy:
      'create the table at the target (it is found at once), take it out of the changefeed, or start with --onUnknown ignore',
  },
  E1016: {
    meaning: 'the target table has no such column',
    disposition: 'halt',
    httpStatus: 422,
    remedy:
      'add the column at the target (it is found at once), leave it out with a CDC query, or start with --onUnknown ignore',
  },
  E1017: {
    meaning: "the row's key does not fit the target's primary key",
    disposition: 'halt',
    httpStatus: 422,
    remedy:
      'give the target table the same primary key columns as the source table',
  },
  E1018: {
    meaning: 'a timestamp is not of the form <nanoseconds>.<10 digits>',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'send what the changefeed sends: look for a proxy that alters bodies',
  },
  E1019: {
    meaning: 'the body is JSON, but not a changefeed message',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'use envelope wrapped, bare or enriched in CREATE CHANGEFEED; key_only and row cannot be replicated',
  },
  E1020: {
    meaning: 'the HTTP method is not allowed here',
    disposition: 'halt',
    httpStatus: 405,
    remedy:
      'a changefeed sends POST; GET works only for /_/healthz, /_/varz and /_/diag, on --metricsAddr where that is given',
  },
  E1021: {
    meaning: 'the body is damaged or cut short',
    disposition: 'halt',
    httpStatus: 400,
    remedy: 'look for a proxy that cuts or recompresses bodies',
  },
  E1022: {
    meaning:
      'the target table has no primary key, so changes of a row cannot find it',
    disposition: 'halt',
    httpStatus: 422,
    remedy: 'add a primary key to the target table, the same as at the source',
  },
  E1023: {
    meaning: 'the caller is not authenticated',
    disposition: 'halt',
    httpStatus: 401,
    remedy:
      'give the changefeed what --authentication asks for: a client certificate signed by --tlsClientCA (client_cert and client_key in its URL), a token (webhook_auth_header), or both',
  },
  E1024: {
    meaning: 'the caller is known, but may not write to this schema',
    disposition: 'halt',
    httpStatus: 403,
    remedy:
      'give the changefeed a token or certificate for this schema, or send it to a schema that is allowed to the one it has',
  },
  E1025: {
    meaning:
      'the request does not come as HTTP says, or not within --maxHeaderBytes, --headerTimeout and --bodyTimeout',
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      'look for what stands between the changefeed and here: a proxy that alters requests, a slow line (lower Flush.Bytes in webhook_sink_config, or raise --bodyTimeout), a long token (raise --maxHeaderBytes)',
  },
  E1026: {
    meaning: 'the changes could not be made durable in time',
    disposition: 'retry',
    httpStatus: 503,
    remedy: 'look at /_/healthz for what is slow; the changefeed asks again',
  },
  E1027: {
    meaning:
      'a value holds half of a surrogate pair, which the target cannot store',
    disposition: 'halt',
    httpStatus: 422,
    remedy:
      'mend the text in the row at the source, or leave the column out with a CDC query',
  },
  E1028: {
    meaning:
      "a timestamp is more than an hour ahead of this machine's clock: one of the two clocks is wrong",
    disposition: 'halt',
    httpStatus: 400,
    remedy:
      "set the clock of this machine, or those of the source's nodes, right (NTP)",
  },
  E1029: {
    meaning:
      'a row lies at or below what is resolved, and staging has never seen it: it would be dropped as a redelivery, and lost',
    disposition: 'halt',
    httpStatus: 409,
    remedy:
      'if a second changefeed sends to this schema, give each its own target schema, or make one changefeed of all tables; if the table was taken out of the changefeed and added again with a scan, run replicator staging rescan',
  },
  E1030: {
    meaning:
      'resolved timestamps go back and forth: two changefeeds send to one target schema',
    disposition: 'halt',
    httpStatus: 409,
    remedy:
      'give each changefeed its own target schema, or make one changefeed of all tables',
  },
  E1031: {
    meaning:
      'the request holds more rows than --maxRowsPerRequest, or a row more columns than any table has',
    disposition: 'halt',
    httpStatus: 413,
    remedy:
      'lower Flush.Messages in webhook_sink_config, or raise --maxRowsPerRequest',
  },
} as const satisfies Record<`E1${number}`, CodeEntry>;
