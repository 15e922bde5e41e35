import { startOptions, valuesOf } from '../../config/options.ts';
import { isAbort } from '../../failure/failure.ts';
import { exposureWarnings } from './exposure-warnings.ts';
import { Hangup } from './hangup.ts';
import type { Command } from '../command.ts';

export const startCommand: Command = {
  name: 'start',
  description:
    "Listens for changefeed webhooks, makes every change durable in staging before it answers, and applies the changes to the target. Point the feed at it with CREATE CHANGEFEED … INTO 'webhook-https://host:26258/database/schema' WITH updated, resolved. One feed per target schema. Stops on SIGINT or SIGTERM after what is in flight has ended; started again, it goes on where it was.",
  options: startOptions,
  async run({ values, exposed }, io) {
    using hangup = new Hangup();
    const { runDaemon } = await import('./daemon.ts');
    try {
      return await runDaemon(valuesOf(startOptions, values), io, {
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
