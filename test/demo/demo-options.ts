import type { OptionTable, OptionValues } from '../../src/config/options.ts';
import { demoProducts } from './demo-target.ts';

export const demoOptions = {
  source: {
    type: 'enum',
    values: ['slot', 'changefeed'],
    default: 'slot',
    group: 'Command',
    about:
      'slot: a PostgreSQL cluster, read by replicator pglogical. changefeed: a played CockroachDB, whose changefeed replicator start receives.',
  },
  target: {
    type: 'enum',
    values: demoProducts,
    default: 'postgres',
    group: 'Command',
    about: 'The database that the rows go to.',
  },
  seconds: {
    type: 'int',
    default: 20,
    min: 0,
    group: 'Command',
    unit: 'seconds',
    about: 'End after about so long; 0 goes on until Ctrl-C.',
  },
  rate: {
    type: 'int',
    default: 1000,
    min: 0,
    group: 'Command',
    unit: 'rows a second',
    about: 'How much the source writes; 0 as much as it can.',
  },
} as const satisfies OptionTable;

export type DemoOptions = OptionValues<typeof demoOptions>;
