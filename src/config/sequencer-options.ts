import type { OptionTable } from './option-entry.ts';

export const sequencerOptions = {
  immediate: {
    type: 'boolean',
    default: false,
    group: 'Sequencer',
    about:
      'Apply every request when it arrives and answer it once its rows are committed at the target, without waiting for resolved timestamps. The rows are staged first, as in every mode. They are right in the end, but a reader of the target may see states that the source never had, and foreign keys between tables may be refused. For the first load of a table.',
  },
  immediateForeignKeys: {
    type: 'boolean',
    default: false,
    group: 'Sequencer',
    about:
      'With --immediate, take schemas whose tables are linked by foreign keys too. They are refused otherwise: rows are written as they come, so a child may come before its parent, or a parent be deleted before its children; the target then refuses the request, and it is sent again until the other one has been through, which may be never.',
  },
  bestEffortOnly: {
    type: 'boolean',
    default: false,
    group: 'Sequencer',
    about:
      'Apply rows of tables that stand alone (a primary key, no other unique key, no foreign key to or from them) as they arrive, without waiting for resolved timestamps; tables linked by foreign keys keep their order and their transactions. An older version of a row never overwrites a newer one. Transactions that touch tables of the former kind may be seen torn.',
  },
  bestEffortWindow: {
    type: 'duration',
    default: 0,
    min: 0,
    group: 'Sequencer',
    about:
      'Do as with --bestEffortOnly while the target lags behind the source by this much, until the lag is down to a quarter of it; 0 never does.',
  },
  flushSize: {
    type: 'int',
    default: 1000,
    min: 0,
    defaultsFor: 'zero',
    group: 'Sequencer',
    unit: 'rows',
    about:
      'Aim at this many rows in a target transaction. Whole source transactions are joined until it is reached; one that is larger is not cut. From 1000 on, of a backlog four times as many are joined, as long as they stay within 1 MiB.',
  },
  flushPeriod: {
    type: 'duration',
    default: 1000,
    min: 0,
    defaultsFor: 'zero',
    group: 'Sequencer',
    about:
      'The longest that changes which may go wait for --flushSize to be reached. They never wait here: a sweep writes what the resolved timestamp has released as soon as it is read, so any value is kept; the flag is understood for command lines of the peer.',
  },
  parallelism: {
    type: 'int',
    default: 16,
    min: 0,
    defaultsFor: 'zero',
    group: 'Sequencer',
    unit: 'transactions',
    about:
      'The most target transactions at once. At most 80 % of --targetMaxPoolSize.',
  },
  enableParallelApplies: {
    type: 'boolean',
    default: true,
    group: 'Sequencer',
    about:
      'Let transactions that share no row, no parent and no unique value run side by side, up to --parallelism; they still commit in the order of the source. Unlike at the peer it is on by default; false applies them one after the other.',
  },
  timestampLimit: {
    type: 'int',
    default: 1000,
    defaultsFor: 'zero-or-less',
    group: 'Sequencer',
    unit: 'timestamps',
    about:
      'The most source timestamps that are joined into one target transaction. Those that only bring newer versions of rows that it has already do not count.',
  },
  limitLookahead: {
    type: 'int',
    default: 0,
    min: 0,
    group: 'Sequencer',
    unit: 'resolved timestamps',
    about:
      'Go at most this many resolved timestamps ahead of what is applied in one sweep; 0 goes to the newest. A backlog is then applied in smaller steps. Order and atomicity do not depend on it.',
  },
  scanSize: {
    type: 'int',
    default: 10_000,
    min: 0,
    defaultsFor: 'zero',
    group: 'Sequencer',
    unit: 'rows',
    about: 'The most staged rows in one read.',
  },
  collapseMutations: {
    type: 'boolean',
    default: true,
    group: 'Sequencer',
    about:
      'Write only the newest of several changes of a row that stand in one target transaction. Switch it off where triggers at the target must see each of them.',
  },
  assumeIdempotent: {
    type: 'boolean',
    default: false,
    group: 'Sequencer',
    about:
      'With --immediate, skip the look-up that keeps an older version of a row, sent again, from overwriting a newer one.',
  },
  quiescentPeriod: {
    type: 'duration',
    default: 10_000,
    defaultsFor: 'zero-or-less',
    group: 'Sequencer',
    about:
      'How often deferred work is tried again when nothing else wakes the sequencer.',
  },
  taskGracePeriod: {
    type: 'duration',
    default: 60_000,
    defaultsFor: 'zero-or-less',
    group: 'Sequencer',
    about:
      'How long running target transactions may take to end when the sequencer starts over after an error.',
  },
  retireOffset: {
    type: 'duration',
    default: 86_400_000,
    defaultsFor: 'less-than-zero',
    group: 'Sequencer',
    about:
      'Keep applied changes in staging until they are this old, for a look back and for a target that is restored to an older state; 0 keeps none.',
  },
  maxRetries: {
    type: 'int',
    default: 10,
    min: 0,
    group: 'Retries',
    unit: 'attempts',
    about:
      'How often a target transaction that failed for a passing cause is tried again before the schema is reported as failing. Staging goes on, and so do the attempts.',
  },
  retryInitialBackoff: {
    type: 'duration',
    default: 25,
    min: 0,
    group: 'Retries',
    about: 'How long to wait before the first retry.',
  },
  retryMaxBackoff: {
    type: 'duration',
    default: 2000,
    min: 0,
    group: 'Retries',
    about: 'The longest wait between two retries.',
  },
  retryMultiplier: {
    type: 'float',
    default: 2,
    min: 1,
    group: 'Retries',
    about: 'By how much each wait is longer than the one before it.',
  },
} as const satisfies OptionTable;
