import type { Target } from '../../target/target.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { sessionNameOf } from './holder-name.ts';

/**
 * Ends what a daemon that has lost its lease left at the target: whoever is
 * frozen, or cut off, may hold locks that nobody else gets. Never rejects:
 * without this the server's own timeouts do it, later.
 */
export async function endSessionsOf(
  holder: string,
  { target, logger }: { readonly target: Target; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  if (holder === '') {
    return;
  }
  try {
    const name = sessionNameOf(holder);
    const ended = await target.endSessionsOf?.(name, signal);
    if (ended) {
      logger.info(
        { event: 'leadership', from: holder, ended },
        'the sessions that it had left at the target were ended',
      );
    }
  } catch (error) {
    logger.debug({ err: error }, 'its sessions could not be ended');
  }
}
