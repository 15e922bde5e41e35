import { parseAllowedSubjects } from '../../config/allowed-subjects.ts';
import { askedOfCallers } from '../../config/check.ts';
import { isLoopback, type ListenAddress } from '../../config/listen-address.ts';
import type { HttpValues } from '../../config/options.ts';
import {
  anyCaller,
  askCallers,
} from '../../source/changefeed/callers/ask-callers.ts';
import type { Callers } from '../../source/changefeed/callers/callers.ts';
import { identifyByCertificate } from '../../source/changefeed/callers/certificate-caller.ts';
import {
  type DiagnosticsGuard,
  guardDiagnostics,
  showDiagnostics,
} from '../../source/changefeed/callers/diagnostics-caller.ts';
import {
  sameExactly,
  type SamePart,
} from '../../source/changefeed/callers/same-schema.ts';
import {
  identifyByToken,
  type TokenSource,
} from '../../source/changefeed/callers/token-caller.ts';
import { oracleSchemaPart } from '../../target/oracle/catalog/schema-part.ts';
import type { TargetEngine } from '../../target/target.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { tellClientExpiry } from './client-expiry.ts';

type CallerValues = Pick<
  HttpValues,
  | 'authentication'
  | 'tlsClientCA'
  | 'tlsAllowedSubjects'
  | 'disableAuthentication'
>;

/** Who may send, as the options say. */
export function openCallers(
  values: CallerValues,
  {
    tokens,
    engine,
    logger,
  }: {
    readonly tokens: TokenSource;
    readonly engine: TargetEngine;
    readonly logger: Logger;
  },
): Callers {
  const asked = askedOfCallers(values);
  return asked.length === 0
    ? anyCaller
    : askCallers({
        ...(asked.includes('certificate') && {
          certificate: identifyByCertificate({
            rules:
              values.tlsAllowedSubjects === ''
                ? null
                : parseAllowedSubjects(values.tlsAllowedSubjects),
            samePart: samePartAt(engine),
            seen: tellClientExpiry(logger),
          }),
        }),
        ...(asked.includes('token') && {
          token: identifyByToken(tokens, samePartAt(engine)),
        }),
      });
}

/**
 * Who may see /_/diag on the webhook listener: who shows what is asked of
 * callers there, or a token alone where none is asked for.
 */
export function webhookDiagnostics(
  values: CallerValues,
  bind: ListenAddress,
  callers: Callers,
  tokens: TokenSource,
): DiagnosticsGuard {
  const asked = askedOfCallers(values);
  return asked.length === 0
    ? operatorDiagnostics(values, bind, tokens)
    : guardDiagnostics(
        asked.includes('token')
          ? [callers.identify]
          : [callers.identify, identifyByToken(tokens, sameExactly)],
      );
}

/** The same on `--metricsAddr`, where there is no TLS and no certificate. */
export function operatorDiagnostics(
  { disableAuthentication }: Pick<HttpValues, 'disableAuthentication'>,
  address: ListenAddress,
  tokens: TokenSource,
): DiagnosticsGuard {
  return disableAuthentication && isLoopback(address)
    ? showDiagnostics
    : guardDiagnostics([identifyByToken(tokens, sameExactly)]);
}

/**
 * Paths name schemas as the catalog spells them, so that a token allows no
 * neighbour that differs in case; Oracle alone reads them as SQL does.
 */
function samePartAt(engine: TargetEngine): SamePart {
  return engine === 'oracle'
    ? (allowed, requested) =>
        oracleSchemaPart(allowed) === oracleSchemaPart(requested)
    : sameExactly;
}
