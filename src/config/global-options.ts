import type { OptionTable } from './option-entry.ts';

export const globalOptions = {
  config: {
    type: 'string',
    default: '',
    group: 'Global',
    about:
      'Read options from this YAML file: one line per option, named as the flags are. A flag or an environment variable wins over the file.',
  },
  gracePeriod: {
    type: 'duration',
    default: 30_000,
    min: 0,
    group: 'Global',
    about:
      'How long work in flight may take to end after SIGINT or SIGTERM. A second signal ends the process at once, which loses nothing: staging is durable.',
  },
  logFormat: {
    type: 'enum',
    values: ['text', 'fluent'],
    default: 'text',
    group: 'Global',
    about:
      'How log lines look: text is for people, fluent is one JSON object a line with severity, message and time, as fluentd and Stackdriver want it.',
  },
  logDestination: {
    type: 'string',
    default: '',
    group: 'Global',
    about:
      'Append the log to this file; empty is stdout. SIGHUP opens the file anew after it was rotated.',
  },
  verbose: {
    type: 'count',
    short: 'v',
    default: 0,
    group: 'Global',
    about: 'Log more: once for debug, twice for trace.',
  },
} as const satisfies OptionTable;

export const metricsOptions = {
  metricsAddr: {
    type: 'string',
    default: '',
    group: 'Metrics',
    about:
      'A host:port of its own for /_/varz, /_/healthz and /_/diag, in cleartext; without a host (:30005) it is 127.0.0.1, which only this machine reaches. /_/diag asks for a token, the other two ask nobody. Empty serves them on --bindAddr.',
  },
  profile: {
    type: 'duration',
    default: 0,
    min: 0,
    group: 'Metrics',
    about:
      'Take a CPU profile from the start on for so long, and write it to --dataDir (profile-….cpuprofile), or when the daemon stops. It costs a few per cent meanwhile. 0 is off.',
  },
  metricsSnapshotPeriod: {
    type: 'duration',
    default: 0,
    min: 0,
    group: 'Metrics',
    about:
      'Write all metrics to a file under --dataDir/metrics-snapshots this often, for support without a Prometheus server. 0 is off; the least is 15s, 15s to 60s are sensible. Needs --metricsAddr.',
  },
  metricsSnapshotCompression: {
    type: 'enum',
    values: ['gzip', 'none'],
    default: 'gzip',
    group: 'Metrics',
    about: 'How metrics snapshots are compressed.',
  },
  metricsSnapshotRetentionTime: {
    type: 'duration',
    default: 168 * 3_600_000,
    min: 0,
    group: 'Metrics',
    about:
      'Delete metrics snapshots older than this; 0 is off. One of the two retention rules must be on.',
  },
  metricsSnapshotRetentionSize: {
    type: 'bytes',
    default: 0,
    min: 0,
    group: 'Metrics',
    about:
      'Delete the oldest metrics snapshots once all together are larger than this, for instance 100MB or 1GiB; empty or 0 is off.',
  },
} as const satisfies OptionTable;
