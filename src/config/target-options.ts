import { deadLetterOptions } from './dead-letter-options.ts';
import type { OptionTable } from './option-entry.ts';
import { poolOptions } from './pool-options.ts';

export const targetOptions = {
  targetConn: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Target',
    about:
      'The database that receives the changes, as a postgresql://, mysql://, mariadb://, sqlserver:// or oracle:// URL; all know the TLS parameters of libpq, of which sslmode=verify-full is the one to use. Must be given.',
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
  valuePolicy: {
    type: 'string',
    default: '',
    group: 'Target',
    about:
      'What becomes of a value that its column cannot hold as it is: too large, too long, with more digits than the column keeps, NaN, infinity, a date out of range. A list such as orders.note=clamp,*.rate=null; the table or the column may be *, a schema may stand before the table, later entries win. error refuses the row, which is the default; null writes NULL, clamp the nearest value that fits, where there is one. Each value that is replaced is counted, and logged with its key at most once a minute for each column. Columns of the primary key are never changed.',
  },
  oracleEmptyString: {
    type: 'enum',
    values: ['error', 'space'],
    default: 'error',
    group: 'Target',
    about:
      'Oracle takes an empty text for NULL. What becomes of one in a column that is NOT NULL: error refuses the row, space writes one blank.',
  },
  ...deadLetterOptions,
} as const satisfies OptionTable;
