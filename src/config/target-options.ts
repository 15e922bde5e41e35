import type { OptionTable } from './option-entry.ts';
import { poolOptions } from './pool-options.ts';

export const targetOptions = {
  targetConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Target',
    about:
      'The database that receives the changes, as a postgresql:// URL. Must be given.',
  },
  ...poolOptions('target'),
  applyTimeout: {
    type: 'duration',
    default: 30_000,
    min: 0,
    group: 'Target',
    about:
      'How long one target transaction may stand idle or one of its statements run before the target ends it and it is tried again; 0 is no limit.',
  },
  targetStatementCacheSize: {
    type: 'int',
    default: 128,
    min: 0,
    group: 'Target',
    unit: 'statements',
    about:
      'How many prepared statements a target connection keeps. One is used for each table and set of columns.',
  },
  schemaRefresh: {
    type: 'duration',
    default: 60_000,
    group: 'Target',
    about:
      'How often the tables of the target are read again, so that new tables and columns are found while running; 0 or less reads them only when a row does not fit what is known.',
  },
  onUnknown: {
    type: 'enum',
    values: ['refuse', 'ignore'],
    default: 'refuse',
    group: 'Target',
    about:
      'What becomes of a row whose table, or a value whose column, the target does not have: refuse answers with an error, so that the changefeed waits and shows the cause; ignore drops it and counts it.',
  },
} as const satisfies OptionTable;
