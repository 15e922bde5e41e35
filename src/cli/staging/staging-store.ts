/** What the commands on staging have in common: how they open it, and what they select. */
import {
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { openStaging } from '../../staging/open.ts';
import type { StagingStore } from '../../staging/staging.ts';

export const filterOptions = {
  schema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only entries of this target schema, as staging list prints it (mydb.public; a part that is not a plain lower-case word stands in double quotes), or as it stands in the webhook path (mydb/public).',
  },
  table: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'Only entries of this table, with its exact name.',
  },
} as const satisfies OptionTable;

/** Opens the store as a guest: makes nothing, locks nobody out. */
export function openStagingBeside(
  values: Readonly<Record<string, unknown>>,
): Promise<StagingStore> {
  const options = valuesOf(stagingCommandOptions, values);
  return openStaging({
    stagingConn: options.stagingConn,
    dataDir: options.dataDir,
    stagingSchema: options.stagingSchema,
    createSchema: false,
    exclusive: false,
    pool: {
      idleTimeMs: options.stagingIdleTime,
      jitterTimeMs: options.stagingJitterTime,
      maxLifetimeMs: options.stagingMaxLifetime,
      maxPoolSize: options.stagingMaxPoolSize,
    },
  });
}
