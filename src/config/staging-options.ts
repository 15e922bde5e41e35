import type { OptionTable } from './option-entry.ts';
import { poolOptions } from './pool-options.ts';

export const stagingOptions = {
  stagingConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Staging',
    about:
      "The PostgreSQL or CockroachDB database that holds staging, as a postgresql:// URL. Empty keeps staging in an embedded SQLite file under --dataDir, which needs no server (the peer's default is the target's address instead).",
  },
  ...poolOptions('staging'),
  dataDir: {
    type: 'string',
    default: 'replicator-data',
    group: 'Staging',
    about:
      'The folder for what this daemon keeps on disk: embedded staging and metrics snapshots. One running daemon a folder.',
  },
  stagingSchema: {
    type: 'string',
    default: '_replicator.public',
    group: 'Staging',
    about:
      'The schema of the staging database that holds the staging tables, as database.schema; a name of one part gets .public. Give the same one on every start: progress is kept there. Embedded staging does not use it.',
  },
  stagingCreateSchema: {
    type: 'boolean',
    default: false,
    group: 'Staging',
    about:
      'Create the staging schema where it does not exist. Embedded staging is always created.',
  },
  stagingMaxBytes: {
    type: 'bytes',
    default: 10 * 2 ** 30,
    min: 2 ** 20,
    group: 'Staging',
    about:
      'How many bytes staged changes may occupy. From 80 % on applied ones are deleted at once, whatever --retireOffset says; when it is full requests are answered 503 with Retry-After until the target has caught up. The changefeed waits and nothing is lost.',
  },
  stageUnappliedPeriod: {
    type: 'duration',
    default: 60_000,
    group: 'Staging',
    about:
      'How often the staged, not yet applied rows are counted for the metrics; -1s is off.',
  },
} as const satisfies OptionTable;
