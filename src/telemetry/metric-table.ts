/**
 * Every metric there is. docs/metrics.md is printed from this table.
 *
 * Names are the peer's of today; `replicator_…` are ours. Labels are bounded:
 * never a key, never the text of an error.
 */
import { houseMetrics } from './house-metrics.ts';
import { type MetricEntry, perSchema, perTable } from './metric-entry.ts';

export type { MetricEntry } from './metric-entry.ts';

/** 1…9 × 10^k from one millisecond to one minute, in seconds, as at the peer. */
const latency: readonly number[] = [0.001, 0.01, 0.1, 1, 10].flatMap((power) =>
  [1, 2, 3, 4, 5, 6, 7, 8, 9]
    .map((digit) => Number((digit * power).toPrecision(1)))
    .filter((seconds) => seconds <= 60),
);
/** From one second to a day. */
const age = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200,
  86_400,
];
/** From 1 KiB to 10 MiB. */
const payload = [
  1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 2_097_152, 5_242_880,
  10_485_760,
];
const lag = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600,
  21_600, 86_400,
];

const perFeed = ['kind', 'target'] as const;
const perPool = ['pool'] as const;

export const metricTable = {
  cdc_sink_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what is running.',
    labels: ['version', 'node', 'platform'],
  },
  cdc_sink_start_seconds: {
    type: 'gauge',
    help: 'When the process started, in seconds since 1970.',
    labels: [],
  },
  log_message_count: {
    type: 'counter',
    help: 'Log lines written, by level.',
    labels: ['level'],
  },

  http_status_codes_total: {
    type: 'counter',
    help: 'Replies to webhook requests, by status code.',
    labels: ['code'],
  },
  http_latency_seconds: {
    type: 'histogram',
    help: 'How long webhook requests that ended in 2xx took, from the last byte of the head to the reply.',
    labels: [],
    buckets: latency,
  },
  http_payload_in_bytes_total: {
    type: 'histogram',
    help: 'Size of webhook request bodies as they arrived, in bytes.',
    labels: [],
    buckets: payload,
  },

  acceptor_mutations_total: {
    type: 'counter',
    help: 'Row changes that arrived (received), were made durable or dropped as redelivered (success), or were refused (error).',
    labels: [...perFeed, 'type'],
  },
  source_lag_seconds: {
    type: 'gauge',
    help: 'Age of the newest resolved timestamp: how far the source promises to have sent.',
    labels: perFeed,
  },
  target_lag_seconds: {
    type: 'gauge',
    help: 'Age of the applied watermark: how far behind the source the target is.',
    labels: perFeed,
  },
  target_applied_timestamp_seconds: {
    type: 'gauge',
    help: 'The applied watermark, in seconds since 1970.',
    labels: perFeed,
  },
  target_pending_timestamp_seconds: {
    type: 'gauge',
    help: 'The resolved timestamp that is being worked towards, in seconds since 1970.',
    labels: perFeed,
  },
  mutation_total: {
    type: 'counter',
    help: 'Row changes received, by source and by kind of change (upsert, delete).',
    labels: ['source', 'type'],
  },

  checkpoint_advance_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to record a resolved timestamp durably.',
    labels: perSchema,
    buckets: latency,
  },
  checkpoint_commit_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to record the applied watermark in staging.',
    labels: perSchema,
    buckets: latency,
  },
  checkpoint_refresh_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to read the checkpoint from staging.',
    labels: perSchema,
    buckets: latency,
  },
  checkpoint_committed_age_seconds: {
    type: 'gauge',
    help: 'Age of the applied watermark.',
    labels: perSchema,
  },
  checkpoint_committed_time_seconds: {
    type: 'gauge',
    help: 'The applied watermark, in seconds since 1970.',
    labels: perSchema,
  },
  checkpoint_proposed_age_seconds: {
    type: 'gauge',
    help: 'Age of the resolved timestamp.',
    labels: perSchema,
  },
  checkpoint_proposed_time_seconds: {
    type: 'gauge',
    help: 'The resolved timestamp, in seconds since 1970.',
    labels: perSchema,
  },
  checkpoint_proposed_going_backwards_errors_total: {
    type: 'counter',
    help: 'Resolved timestamps that were older than one before them. They are ignored; look for a second changefeed to the same target schema.',
    labels: perSchema,
  },

  stage_mutations_total: {
    type: 'counter',
    help: 'Row changes made durable in staging.',
    labels: perTable,
  },
  stage_duplicate_mutations_total: {
    type: 'counter',
    help: 'Row changes dropped on arrival because the target has them already.',
    labels: perTable,
  },
  stage_duration_seconds: {
    type: 'histogram',
    help: 'How long a request waited for its changes to become durable in staging.',
    labels: perSchema,
    buckets: latency,
  },
  stage_errors_total: {
    type: 'counter',
    help: 'Requests whose changes staging did not take.',
    labels: perSchema,
  },
  stage_commit_lag_seconds: {
    type: 'histogram',
    help: 'Time from the commit at the source to durable in staging, of the oldest change of a request.',
    labels: perSchema,
    buckets: lag,
  },
  stage_read_duration_seconds: {
    type: 'histogram',
    help: 'How long one read from staging took.',
    labels: perSchema,
    buckets: latency,
  },
  stage_read_rows: {
    type: 'counter',
    help: 'Row changes read from staging.',
    labels: perSchema,
  },
  stage_read_lag_seconds: {
    type: 'gauge',
    help: 'Age of the newest row change read from staging.',
    labels: perSchema,
  },
  stage_retire_duration_seconds: {
    type: 'histogram',
    help: 'How long one step of deleting applied entries took.',
    labels: perSchema,
    buckets: latency,
  },
  stage_retire_errors_total: {
    type: 'counter',
    help: 'Steps of deleting applied entries that failed.',
    labels: perSchema,
  },
  stage_stale_mutations_count: {
    type: 'gauge',
    help: 'Staged row changes that are not applied yet, counted every --stageUnappliedPeriod.',
    labels: perSchema,
  },

  core_sweep_active_bool: {
    type: 'gauge',
    help: '1 while this process applies the changes of the schema.',
    labels: perSchema,
  },
  core_sweep_attempt_timestamp_seconds: {
    type: 'gauge',
    help: 'When the sequencer last began to apply, in seconds since 1970.',
    labels: perSchema,
  },
  core_sweep_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When a batch was last committed at the target, in seconds since 1970. Stands still while nothing comes.',
    labels: perSchema,
  },
  core_sweep_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to apply one resolved window.',
    labels: perSchema,
    buckets: latency,
  },
  core_sweep_apply_count: {
    type: 'counter',
    help: 'Target transactions committed by the sequencer.',
    labels: perSchema,
  },
  core_sweep_mutations_applied_total: {
    type: 'counter',
    help: 'Row changes committed by the sequencer, before versions of one row are folded.',
    labels: perSchema,
  },
  core_source_lag_seconds: {
    type: 'histogram',
    help: 'Age of each resolved timestamp when it arrived.',
    labels: perSchema,
    buckets: lag,
  },
  core_flush_count: {
    type: 'counter',
    help: 'Batches handed to the target, by what ended them: size (--flushSize) or progress (all that may go was in it).',
    labels: [...perSchema, 'reason'],
  },
  core_parallelism_utilization_percent: {
    type: 'gauge',
    help: 'Share of --parallelism in use.',
    labels: perSchema,
  },

  target_apply_transaction_lag_seconds: {
    type: 'histogram',
    help: 'Age of the newest source transaction in each target transaction when it committed.',
    labels: perSchema,
    buckets: lag,
  },
  target_apply_mutation_age_seconds: {
    type: 'histogram',
    help: 'Age of the oldest row change in each target transaction when it committed.',
    labels: perSchema,
    buckets: age,
  },
  source_commit_to_apply_lag_seconds: {
    type: 'gauge',
    help: 'Time from the commit at the source to the commit at the target, of the newest applied transaction.',
    labels: perSchema,
  },

  apply_upserts_total: {
    type: 'counter',
    help: 'Rows inserted or updated at the target.',
    labels: perTable,
  },
  apply_deletes_total: {
    type: 'counter',
    help: 'Rows deleted at the target.',
    labels: perTable,
  },
  apply_errors_total: {
    type: 'counter',
    help: 'Attempts at the target that failed, by error code; the table where the target named it.',
    labels: [...perTable, 'code'],
  },
  apply_duration_seconds: {
    type: 'histogram',
    help: 'How long the statements of one table in one batch took.',
    labels: perTable,
    buckets: latency,
  },

  retry_actions_total: {
    type: 'counter',
    help: 'Target transactions begun under the retry rules.',
    labels: [],
  },
  retry_retried_total: {
    type: 'counter',
    help: 'Target transactions tried again, by error code.',
    labels: ['code'],
  },
  retry_aborted_total: {
    type: 'counter',
    help: 'Target transactions given up, by error code.',
    labels: ['code'],
  },

  stmtcache_hits_total: {
    type: 'counter',
    help: 'Statements found prepared on their target connection.',
    labels: [],
  },
  stmtcache_misses_total: {
    type: 'counter',
    help: 'Statements that had to be prepared first.',
    labels: [],
  },
  stmtcache_drops_total: {
    type: 'counter',
    help: 'Prepared statements given up to make room for others.',
    labels: [],
  },

  pool_acquired_connection_count: {
    type: 'gauge',
    help: 'Connections in use.',
    labels: perPool,
  },
  pool_idle_connection_count: {
    type: 'gauge',
    help: 'Connections open and idle.',
    labels: perPool,
  },
  pool_max_connection_count: {
    type: 'gauge',
    help: 'The most connections that the pool may open.',
    labels: perPool,
  },
  pool_acquire_wait_count: {
    type: 'counter',
    help: 'Times that somebody had to wait for a connection.',
    labels: perPool,
  },
  pool_acquire_wait_seconds: {
    type: 'counter',
    help: 'Time spent waiting for connections, in seconds.',
    labels: perPool,
  },
  pool_dial_success_count: {
    type: 'counter',
    help: 'Connections opened.',
    labels: perPool,
  },
  pool_dial_error_count: {
    type: 'counter',
    help: 'Connections that could not be opened.',
    labels: perPool,
  },

  jwt_last_refresh_time: {
    type: 'gauge',
    help: 'When the public keys of tokens and the revoked ids were last read from staging, in seconds since 1970.',
    labels: [],
  },

  ...houseMetrics,
} as const satisfies Readonly<Record<string, MetricEntry>>;
