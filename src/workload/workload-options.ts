import type { OptionTable } from '../config/options.ts';
import { slotOptions } from '../config/pglogical-options.ts';

export const workloadOptions = {
  url: {
    type: 'string',
    secret: true,
    default:
      'https://127.0.0.1:26258/defaultdb/public?insecure_tls_skip_verify=true',
    group: 'Command',
    about:
      'The webhook, as it would stand in CREATE CHANGEFEED INTO; ca_cert, client_cert and client_key (base64 of PEM) and insecure_tls_skip_verify are understood as CockroachDB does.',
  },
  sourceConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Command',
    about:
      'A PostgreSQL database, as a postgresql:// URL: the workload writes to it by SQL instead of sending to --url, for a daemon that reads its slot (replicator pglogical). It begins when the slot is read.',
  },
  sourceSchema: {
    type: 'string',
    default: slotOptions.sourceSchema.default,
    group: 'Command',
    about: 'With --sourceConn: the schema of the tables that it writes to.',
  },
  slotName: {
    type: 'string',
    default: slotOptions.slotName.default,
    group: 'Command',
    about: 'With --sourceConn: the slot that must be read before it begins.',
  },
  targetSchema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'With --sourceConn: the target schema, as for pglogical. (Without, --url names it.)',
  },
  targetConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Command',
    about:
      'The database that the daemon writes to, as for start (postgresql://, mysql://, mariadb://, sqlserver://): the workload reads its tables there to check them. Must be given.',
  },
  tlsCACertificate: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The PEM file of the authority of the server certificate, instead of ca_cert in the URL.',
  },
  tlsCertificate: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'The PEM file of the client certificate, instead of client_cert.',
  },
  tlsPrivateKey: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The PEM file of the key of --tlsCertificate, instead of client_key.',
  },
  seconds: {
    type: 'int',
    default: 0,
    min: 0,
    group: 'Command',
    unit: 'seconds',
    about: 'Write for so long, then check and end; 0 writes until SIGINT.',
  },
  rate: {
    type: 'int',
    default: 1000,
    min: 0,
    group: 'Command',
    unit: 'rows a second',
    about: 'How much the source writes; 0 as much as the daemon takes.',
  },
  seed: {
    type: 'int',
    default: 0,
    min: 0,
    max: 2 ** 31,
    group: 'Command',
    about:
      'The same seed writes the same transactions; 0 takes another one each time and prints it.',
  },
  mode: {
    type: 'enum',
    values: ['consistent', 'immediate'],
    default: 'consistent',
    group: 'Command',
    about:
      "The daemon's mode. With consistent every look at the target must find a state that the source had; with immediate only the end is compared, and the tables have no foreign keys.",
  },
  createTables: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Replace the tables workload_customer, workload_order, workload_line, workload_sample and workload_ledger in the target schema (and in --sourceSchema) by empty ones. Without it they must be there and be empty.',
  },
  tableRows: {
    type: 'int',
    default: 1000,
    min: 10,
    max: 1_000_000,
    group: 'Command',
    unit: 'rows',
    about: 'About how many rows a table settles at.',
  },
  batchSize: {
    type: 'int',
    default: 100,
    min: 1,
    max: 100_000,
    group: 'Command',
    unit: 'rows',
    about: 'The most rows in one request.',
  },
  concurrentRequests: {
    type: 'int',
    default: 16,
    min: 1,
    max: 1024,
    group: 'Command',
    about: 'The most requests in flight.',
  },
  resolvedInterval: {
    type: 'duration',
    default: 250,
    min: 1,
    group: 'Command',
    about: 'Between two resolved messages.',
  },
  replayInterval: {
    type: 'duration',
    default: 5000,
    min: 0,
    group: 'Command',
    about:
      'About how often the feed starts again from an older resolved timestamp, as a changefeed does after a restart; 0 is never.',
  },
  requestTimeout: {
    type: 'duration',
    default: 3000,
    min: 1,
    group: 'Command',
    about: 'How long a request may take, as webhook_client_timeout.',
  },
  tries: {
    type: 'int',
    default: 3,
    min: 0,
    group: 'Command',
    about:
      'How often a request is sent before the feed starts again from its last resolved timestamp; 0 sends it until it is accepted, so that nothing accepted is ever sent again.',
  },
  retryMin: {
    type: 'duration',
    default: 100,
    min: 1,
    group: 'Command',
    about: 'The pause before the second try; it doubles with each.',
  },
  retryMax: {
    type: 'duration',
    default: 30_000,
    min: 1,
    group: 'Command',
    about: 'The longest pause between two tries.',
  },
  failFast: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'End with an error at the first request that is not accepted.',
  },
  gzip: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Compress request bodies.',
  },
  diff: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Send the row before the change too, as WITH diff.',
  },
  lookInterval: {
    type: 'duration',
    default: 500,
    min: 1,
    group: 'Command',
    about: 'Between two looks at the target while running.',
  },
  catchUpTimeout: {
    type: 'duration',
    default: 60_000,
    min: 1,
    group: 'Command',
    about:
      'At the end, give up when nothing has moved at the target for so long.',
  },
  json: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Print one JSON object a line instead of text.',
  },
} as const satisfies OptionTable;
