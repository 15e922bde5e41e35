import type { OptionTable } from './option-entry.ts';

/** What `pglogical` has beside target, staging and sequencer. */
export const slotOptions = {
  sourceConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Source',
    about:
      'The PostgreSQL database that is read, as a postgresql:// URL of the server that writes it (not of a pooler). Its account needs the REPLICATION attribute. Must be given.',
  },
  slotName: {
    type: 'string',
    default: 'replicator',
    group: 'Source',
    about:
      'The logical replication slot to read, of the plugin pgoutput. Nobody else may read it. Several daemons with the same slot and the same staging take turns: one works, the others wait.',
  },
  publicationName: {
    type: 'string',
    default: '',
    group: 'Source',
    about:
      'The publication whose tables are read; several are separated by commas. Must be given.',
  },
  targetSchema: {
    type: 'string',
    default: '',
    group: 'Source',
    about:
      'The target schema into which the tables of --sourceSchema go, as database.schema (PostgreSQL, SQL Server) or the one name that the engine has. Must be given.',
  },
  sourceSchema: {
    type: 'string',
    default: 'public',
    group: 'Source',
    about:
      'The schema of the source whose tables go into --targetSchema. Tables of other schemas are left out, save those of --schemaMap.',
  },
  schemaMap: {
    type: 'string',
    default: '',
    group: 'Source',
    about:
      'More schemas and where they go, as source=target pairs separated by commas: audit=shop.audit,ref=shop.reference. Transactions that touch several of them stay whole at the target.',
  },
  standbyTimeout: {
    type: 'duration',
    default: 5_000,
    min: 10,
    group: 'Source',
    about:
      'The source hears at least this often how far its changes are durable here. Twelve times as long without a word from the source ends the connection, which is then dialled again.',
  },
  createSlot: {
    type: 'boolean',
    default: false,
    group: 'Source',
    about:
      'Create the slot where it does not exist and none was read before. Only what is committed afterwards comes from it.',
  },
  createPublication: {
    type: 'boolean',
    default: false,
    group: 'Source',
    about:
      'Create the publication where it does not exist, for the tables of --sourceSchema and --schemaMap.',
  },
  slotFailover: {
    type: 'boolean',
    default: false,
    group: 'Source',
    about:
      'With --createSlot: create a failover slot (PostgreSQL 17 and later), which standbys keep in step, so that reading goes on after one of them is promoted.',
  },
  origin: {
    type: 'enum',
    values: ['any', 'none'],
    default: 'any',
    group: 'Source',
    about:
      'Which changes to read: any, or none of those that came to the source by replication from elsewhere (PostgreSQL 16 and later). none keeps two directions from feeding one another.',
  },
  partitionTruncate: {
    type: 'enum',
    values: ['refuse', 'ignore'],
    default: 'refuse',
    group: 'Source',
    about:
      'What becomes of a TRUNCATE of one partition where the target has only the table above it, whose other rows must stay: refuse stops reading until a person has looked; ignore leaves the rows where they are, with a warning.',
  },
  enableToastedColumns: {
    type: 'boolean',
    default: false,
    group: 'Source',
    hidden: true,
    about:
      'Understood for command lines of the peer: columns that a change did not touch always keep what they hold.',
  },
} as const satisfies OptionTable;
