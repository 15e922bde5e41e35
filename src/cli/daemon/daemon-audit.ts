/** The audit log of a daemon: its start and end, and what it does of itself. */
import type { OptionTable } from '../../config/options.ts';
import { redactConfig } from '../../config/redact.ts';
import { servedCertificates } from '../../source/changefeed/server/certificate-expiry.ts';
import type { TlsTexts } from '../../source/changefeed/server/tls-files.ts';
import { prepareDataDir } from '../../staging/sqlite/data-dir.ts';
import {
  type Audit,
  type AuditedAct,
  type AuditFacts,
  type AuditPlace,
  openAudit,
} from '../../telemetry/audit.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { replicatorVersion } from '../version.ts';

export function openDaemonAudit(
  values: AuditPlace,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics },
): Audit {
  return openAudit(values, {
    asker: { kind: 'daemon' },
    onLost: (error, record) => {
      metrics.replicator_audit_lost_total.inc();
      logger.error(
        { code: error.code, record },
        `a record of the audit log is lost: ${error.line}`,
      );
    },
  });
}

/** A start, from before anything is written to the end of the daemon. */
export interface AuditedRun extends Disposable {
  /** Throws E5009 or E5020, and nothing has been written yet. */
  beforeWriting(): void;
  ready(): void;
}

/** Records the configuration, without secrets, and how it went. */
export function auditRun(
  audit: Audit,
  command: string,
  {
    values,
    table,
  }: { readonly values: AuditPlace; readonly table: OptionTable },
): AuditedRun {
  let start: AuditedAct | null = null;
  let isReady = false;
  return {
    beforeWriting() {
      if (values.auditLog === '') {
        prepareDataDir(values.dataDir);
      }
      start ??= audit.begin('start', {
        command,
        version: replicatorVersion(),
        options: redactConfig({ ...values }, table),
      });
    },
    ready() {
      isReady = true;
      start?.done();
    },
    [Symbol.dispose]() {
      if (isReady) {
        audit.note('stop', { command });
      }
      start?.[Symbol.dispose]();
    },
  };
}

/** What is served from now on, and which authorities are trusted. */
export function certificateFacts(texts: TlsTexts): AuditFacts {
  return {
    certificates: servedCertificates(texts).map(
      ({ role, subject, fingerprint }) => ({ role, subject, fingerprint }),
    ),
  };
}
