/** The audit log of a command that changes state. */
import { redactUrl } from '../config/redact.ts';
import { type Audit, type AuditPlace, openAudit } from '../telemetry/audit.ts';
import type { CommandIo } from './command.ts';

/**
 * `using audit = openCommandAudit(values, io)`, then `audit.act(…)` around
 * what changes state; who asked is the account that runs the command. The
 * command's options contain `auditOptions`, or `auditPlaceOptions` where it
 * has no --dataDir.
 */
export function openCommandAudit(
  values: AuditPlace,
  { stderr }: CommandIo,
): Audit {
  return openAudit(values, {
    asker: { kind: 'command' },
    onLost: (error, record) => {
      stderr.write(`replicator: warning: ${error.line}; lost: ${record}`);
    },
  });
}

/** A database as a record names it: without who logs in. */
export function placeOf(address: string): string {
  return redactUrl(address);
}

/** Many ids are a number and the first of them. */
export function someOf(ids: readonly string[]): object {
  const shownCount = 100;
  return ids.length <= shownCount
    ? { count: ids.length, ids }
    : { count: ids.length, firstIds: ids.slice(0, shownCount) };
}
