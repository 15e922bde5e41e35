import { parseAllowedSubjects } from '../../config/allowed-subjects.ts';
import { askedOfCallers } from '../../config/check.ts';
import type { StartValues } from '../../config/options.ts';
import {
  anyCaller,
  askCallers,
} from '../../source/changefeed/callers/ask-callers.ts';
import type { Callers } from '../../source/changefeed/callers/callers.ts';
import { identifyByCertificate } from '../../source/changefeed/callers/certificate-caller.ts';
import { identifyByToken } from '../../source/changefeed/callers/token-caller.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { tellClientExpiry } from './client-expiry.ts';

/** Who may send, as the options say. */
export function openCallers(values: StartValues, logger: Logger): Callers {
  const asked = askedOfCallers(values);
  return asked.length === 0
    ? anyCaller
    : askCallers({
        ...(asked.includes('certificate') && {
          certificate: identifyByCertificate({
            rules:
              values.tlsAllowedSubjects.trim() === ''
                ? null
                : parseAllowedSubjects(values.tlsAllowedSubjects),
            seen: tellClientExpiry(logger),
          }),
        }),
        ...(asked.includes('token') && { token: identifyByToken }),
      });
}
