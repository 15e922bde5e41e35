import {
  expiryStage,
  isoTime,
} from '../../source/changefeed/server/certificate-expiry.ts';
import type { ShownCertificate } from '../../source/changefeed/callers/shown-certificate.ts';
import type { Logger } from '../../telemetry/logger.ts';

const dayMs = 86_400_000;
/** A daemon has a handful of changefeeds. */
const maxSubjects = 1_000;

/** Says once a day of each client certificate in use that it ends soon. */
export function tellClientExpiry(
  logger: Logger,
  nowMs: () => number = Date.now,
): (shown: ShownCertificate) => void {
  const saidAtMs = new Map<string, number>();
  return ({ printed, notAfterMs }) => {
    const now = nowMs();
    if (expiryStage(notAfterMs, now) === null) {
      return;
    }
    const last = saidAtMs.get(printed);
    if (last !== undefined && now - last < dayMs) {
      return;
    }
    // In the order in which they were said: the oldest goes.
    saidAtMs.delete(printed);
    if (saidAtMs.size >= maxSubjects) {
      saidAtMs.delete(saidAtMs.keys().next().value!);
    }
    saidAtMs.set(printed, now);
    logger.warn(
      `a client certificate in use (${printed}) expires on ${isoTime(notAfterMs)}: then its changefeed is refused (E1023). Make a new one, and give it to the changefeed with ALTER CHANGEFEED … SET sink`,
    );
  };
}
