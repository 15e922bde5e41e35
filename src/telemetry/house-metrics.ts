/** The metrics of ours (`replicator_…`), and those of slots: names the peer does not have, or has for slots alone. */
import { type MetricEntry, perSchema, perTable } from './metric-entry.ts';

export const houseMetrics = {
  replicator_health: {
    type: 'gauge',
    help: '1 when the pipeline is healthy, 0 when it is failing; /_/healthz and /_/diag say why.',
    labels: ['pipeline'],
  },
  replicator_leader: {
    type: 'gauge',
    help: '1 where this daemon applies the changes of the schema, 0 where another one of those that share staging does.',
    labels: perSchema,
  },
  replicator_leader_takeovers_total: {
    type: 'counter',
    help: 'Times that this daemon has begun to lead: nobody did (cause="free"), the process that led has ended ("dead"), the leader was silent ("silent") or could not reach the target ("offered"), or it was this one before ("own").',
    labels: [...perSchema, 'cause'],
  },
  replicator_last_post_age_seconds: {
    type: 'gauge',
    help: 'Time since the last request that was understood, be it rows, a resolved timestamp or empty. A growing age while SHOW CHANGEFEED JOB says running means that nothing arrives.',
    labels: ['pipeline'],
  },
  replicator_last_resolved_age_seconds: {
    type: 'gauge',
    help: 'Time since the last resolved message. Without these, consistent mode applies nothing.',
    labels: ['pipeline'],
  },
  replicator_feed_conflicts_total: {
    type: 'counter',
    help: 'Signs of a second changefeed into one target schema: requests refused with E1029, and E1030 each time resolved timestamps were found to go back and forth.',
    labels: perSchema,
  },
  replicator_staging_live_bytes: {
    type: 'gauge',
    help: 'Bytes that staged entries occupy, applied or not.',
    labels: [],
  },
  replicator_staging_limit_bytes: {
    type: 'gauge',
    help: 'The value of --stagingMaxBytes.',
    labels: [],
  },
  replicator_unknown_dropped_total: {
    type: 'counter',
    help: 'Dropped by --onUnknown ignore: rows of unknown tables (what="row") and values of unknown columns (what="column").',
    labels: [...perSchema, 'what'],
  },
  replicator_values_replaced_total: {
    type: 'counter',
    help: 'Values that their column could not hold and that --valuePolicy replaced (policy="null" or "clamp"), each time they were written.',
    labels: [...perTable, 'column', 'policy'],
  },
  replicator_jwt_refresh_failures_total: {
    type: 'counter',
    help: 'Times that the public keys of tokens and the revoked ids could not be read; those read last stay in force for ten minutes.',
    labels: [],
  },
  replicator_insecure_mode: {
    type: 'gauge',
    help: '1 when an option makes the daemon unsafe: discard, disableAuthentication, insecureHttp or tlsSelfSigned.',
    labels: ['option'],
  },
  replicator_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When a certificate ends, in seconds since 1970: those of --tlsCertificate (role="server") and of --tlsClientCA (role="client_ca").',
    labels: ['role', 'subject', 'fingerprint'],
  },
  replicator_certificate_reload_failing: {
    type: 'gauge',
    help: '1 while the certificate files cannot be taken over, and the ones before are served still; the log says why.',
    labels: [],
  },
  replicator_audit_lost_total: {
    type: 'counter',
    help: 'Records of what the daemon did of itself that the audit log did not take; the log has them.',
    labels: [],
  },
  replicator_connections_refused_total: {
    type: 'counter',
    help: 'Connections that were closed for what they did: reason="connections" and "address" beyond --maxConnections and --maxConnectionsPerAddress, "handshake" no TLS, or not within --headerTimeout, "request" no HTTP, "headers" beyond --maxHeaderBytes, "slow" beyond --headerTimeout, --bodyTimeout or what any answer may take, "session" an HTTP/2 peer that breaks or floods the protocol.',
    labels: ['reason'],
  },
  replicator_memory_limit_bytes: {
    type: 'gauge',
    help: 'The value of --memoryLimit.',
    labels: [],
  },
  replicator_immediate_guard_keys: {
    type: 'gauge',
    help: 'Row versions remembered in immediate and best-effort mode, to keep older ones from overwriting newer ones.',
    labels: perSchema,
  },
  replicator_gave_way_total: {
    type: 'counter',
    help: 'Batches that failed beside elder ones, or held what an elder waited for, and were run again behind them. A few are no matter; at a steady rate, parallel batches cost more than they gain.',
    labels: ['schema', 'code'],
  },
  replicator_dead_letters_total: {
    type: 'counter',
    help: 'Rows that were set aside in the dead-letter table, and versions of them that followed.',
    labels: perTable,
  },
  replicator_dead_letters_open: {
    type: 'gauge',
    help: 'Rows with dead letters that have been neither retried, discarded nor superseded; looked at every few seconds.',
    labels: perSchema,
  },
  replicator_mode_active_bool: {
    type: 'gauge',
    help: '1 for the mode that a schema is in: consistent, best-effort or immediate.',
    labels: ['schema', 'mode'],
  },

  pglogical_dial_failure_total: {
    type: 'counter',
    help: 'Times that the replication slot could not be reached or taken.',
    labels: [],
  },
  pglogical_dial_success_total: {
    type: 'counter',
    help: 'Times that the replication slot was taken.',
    labels: [],
  },
  pglogical_empty_transactions: {
    type: 'counter',
    help: 'Transactions of the source in which nothing was for the target.',
    labels: [],
  },
  pglogical_unchanged_toasted_columns: {
    type: 'counter',
    help: 'Values that the source left out because a change did not touch them (TOAST); the target keeps what it holds.',
    labels: [],
  },
  replicator_slot_reading: {
    type: 'gauge',
    help: '1 while this daemon reads the slot; 0 while it waits for another one, or is halted.',
    labels: [],
  },
  replicator_slot_transactions_total: {
    type: 'counter',
    help: 'Transactions read from the slot, without empty ones.',
    labels: [],
  },
  replicator_slot_left_out_total: {
    type: 'counter',
    help: 'Changes of tables that are not replicated: of another schema, or unknown to the target with --onUnknown ignore.',
    labels: [],
  },
  replicator_slot_lag_bytes: {
    type: 'gauge',
    help: 'WAL of the source that is not durable in staging yet.',
    labels: [],
  },
  replicator_slot_lag_seconds: {
    type: 'gauge',
    help: 'How long ago the newest transaction that is durable in staging was committed; near 0 on an idle source too.',
    labels: [],
  },
  replicator_slot_retained_bytes: {
    type: 'gauge',
    help: 'WAL that the source keeps because of the slot.',
    labels: [],
  },
  replicator_slot_safe_bytes: {
    type: 'gauge',
    help: 'WAL that may still be written before the slot may be lost; absent without max_slot_wal_keep_size.',
    labels: [],
  },
  replicator_slot_loss_estimate_seconds: {
    type: 'gauge',
    help: 'When the slot would be lost if the source went on writing as in the last minutes; absent while it would not be.',
    labels: [],
  },
  replicator_slot_spool_bytes: {
    type: 'gauge',
    help: 'Bytes of transactions that the source streams before they have ended, on disk under --dataDir.',
    labels: [],
  },
} as const satisfies Readonly<Record<string, MetricEntry>>;
