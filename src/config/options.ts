/**
 * The door of `config/`: which options there are. Flags, environment names,
 * config file keys, help, docs/options.md, redaction and the TypeScript types
 * all derive from these tables.
 *
 * Names and meanings are the peer's; ours are added, never renamed.
 */
import { auditOptions, auditPlaceOptions } from './audit-options.ts';
import { globalOptions, metricsOptions } from './global-options.ts';
import { httpOptions } from './http-options.ts';
import { limitOptions } from './limit-options.ts';
import type { OptionTable, OptionValues } from './option-entry.ts';
import { slotOptions } from './pglogical-options.ts';
import { sequencerOptions } from './sequencer-options.ts';
import { stagingOptions } from './staging-options.ts';
import { targetOptions } from './target-options.ts';

export type { OptionEntry, OptionTable, OptionValues } from './option-entry.ts';
export {
  auditOptions,
  auditPlaceOptions,
  globalOptions,
  httpOptions,
  metricsOptions,
  sequencerOptions,
  slotOptions,
  stagingOptions,
  targetOptions,
};

export const startOptions = {
  ...targetOptions,
  ...stagingOptions,
  ...httpOptions,
  ...limitOptions,
  ...sequencerOptions,
  ...metricsOptions,
  ...auditOptions,
  ...globalOptions,
} as const satisfies OptionTable;

/** Source transactions from a slot always stay whole: there is no other mode. */
const {
  immediate: _immediate,
  immediateForeignKeys: _immediateForeignKeys,
  bestEffortOnly: _bestEffortOnly,
  bestEffortWindow: _bestEffortWindow,
  ...slotSequencerOptions
} = sequencerOptions;

const { memoryLimit, healthCheckTimeout, jwtAudience, disableAuthentication } =
  httpOptions;

export const pglogicalOptions = {
  ...slotOptions,
  ...targetOptions,
  ...stagingOptions,
  memoryLimit,
  healthCheckTimeout,
  jwtAudience,
  disableAuthentication: {
    ...disableAuthentication,
    about:
      'Show /_/diag to anyone who reaches --metricsAddr, where that is a loopback address. Without it a token for the schema _.diag is asked for.',
  },
  ...slotSequencerOptions,
  ...metricsOptions,
  ...auditOptions,
  ...globalOptions,
} as const satisfies OptionTable;

const {
  sourceConn: _sourceConn,
  targetSchema: _targetSchema,
  sourceSchema: _sourceSchema,
  publicationName,
  ...slotCheckOptions
} = slotOptions;

/**
 * Every flag of `start` and of `pglogical`, so that the same command line can
 * be tried out.
 */
export const preflightOptions = {
  sourceConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Command',
    about:
      'The source, as a postgresql:// URL of the CockroachDB cluster or of the PostgreSQL database: its columns are held against those of the target, and each place at which a value could be refused or lost is named. Only the catalog is read.',
  },
  sourceSchema: {
    type: 'string',
    default: 'public',
    group: 'Command',
    about: 'The schema of the source whose tables are replicated.',
  },
  targetSchema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The target schema to hold them against, as it stands in the webhook path (shop/public) or in a log (shop.public); by default the one that the address of the target suggests.',
  },
  'print-grants': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Print the statements that give the accounts of the target, of --stagingConn and, with --publicationName, of --sourceConn what they need and no more, and look at nothing else. For the tables of --targetSchema, or of every schema that has tables. With --publicationName that includes TRUNCATE at the target.',
  },
  grantee: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The account that the statements are for; by default the one that connects. So an administrator may print them for an account that cannot see the tables yet. For MySQL with its host, as in replicator@10.0.0.%.',
  },
  publicationName: {
    ...publicationName,
    about:
      'The publication of a PostgreSQL source; several are separated by commas. With it, --sourceConn is looked at as pglogical would read it: its settings, publications, tables and the slot; and no options of a webhook are asked for.',
  },
  ...slotCheckOptions,
  ...startOptions,
} as const satisfies OptionTable;

const {
  // What only a daemon does.
  stagingCreateSchema: _create,
  stagingMaxBytes: _maxBytes,
  stageUnappliedPeriod: _unapplied,
  ...stagingAddressOptions
} = stagingOptions;

/** For `staging list|peek|purge`; each adds its own. */
export const stagingCommandOptions = {
  ...stagingAddressOptions,
  ...globalOptions,
} as const satisfies OptionTable;

const {
  // What only a daemon does.
  schemaRefresh: _refresh,
  onRowError: _onRowError,
  dlqLimit: _dlqLimit,
  ...deadLetterTargetOptions
} = targetOptions;

/** For `dlq list|show|retry|discard`; each adds its own. */
export const deadLetterCommandOptions = {
  ...deadLetterTargetOptions,
  ...globalOptions,
} as const satisfies OptionTable;

export type StartValues = OptionValues<typeof startOptions>;
export type PglogicalValues = OptionValues<typeof pglogicalOptions>;
export type StagingValues = OptionValues<typeof stagingOptions>;
export type TargetValues = OptionValues<typeof targetOptions>;
export type SequencerValues = OptionValues<typeof sequencerOptions>;
/** Of a source whose transactions always stay whole. */
export type SlotSequencerValues = OptionValues<typeof slotSequencerOptions>;
export type HttpValues = OptionValues<typeof httpOptions>;
export type MetricsValues = OptionValues<typeof metricsOptions>;
export type GlobalValues = OptionValues<typeof globalOptions>;

/** The typed values of a command whose `options` contain this table. */
export function valuesOf<T extends OptionTable>(
  _table: T,
  values: Readonly<Record<string, unknown>>,
): OptionValues<T> {
  return values as OptionValues<T>;
}
