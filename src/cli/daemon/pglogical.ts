import { pglogicalOptions, valuesOf } from '../../config/options.ts';
import { isAbort } from '../../failure/failure.ts';
import { exposureWarnings } from './exposure-warnings.ts';
import { Hangup } from './hangup.ts';
import type { Command } from '../command.ts';

export const pglogicalCommand: Command = {
  name: 'pglogical',
  description:
    'Reads a logical replication slot of the plugin pgoutput (PostgreSQL 12 to 18), makes every transaction durable in staging before the slot moves, and applies whole transactions to the target in the order of their commits. Create the publication and the slot before the tables are loaded, or let --createPublication and --createSlot do it. A target that is slow or down keeps no WAL at the source.\n\nStops on SIGINT or SIGTERM after what is in flight has ended; started again, it goes on where it was. It ends by itself, with exit code 1, when the slot is lost or the source has gone back in time: it never begins anew on its own.',
  options: pglogicalOptions,
  async run({ values, exposed }, io) {
    using hangup = new Hangup();
    const { runSlotDaemon } = await import('./slot-daemon.ts');
    try {
      return await runSlotDaemon(valuesOf(pglogicalOptions, values), io, {
        warnings: exposureWarnings(exposed),
        hangup,
      });
    } catch (error) {
      if (io.signal.aborted && isAbort(error)) {
        // Before it was ready there was nothing to drain: an orderly end too.
        return 0;
      }
      throw error;
    }
  },
};
