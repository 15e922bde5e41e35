/** What the source's settings and the account allow. */
import type { Finding } from '../../../failure/finding.ts';
import { formatByteSize } from '../../../lib/byte-size.ts';
import { formatDuration } from '../../../lib/duration.ts';
import type { SourceNeeds } from './source-needs.ts';
import type { SourceSession } from './source-session.ts';
import type { ServerState } from './source-state.ts';

/** What must be mended before a slot can be read at all. */
export interface Fault {
  readonly text: string;
  readonly remedy: string;
}

const oldestVersion = 12;
const newestTestedVersion = 18;

export function serverFaults(
  { versionNumber }: Pick<SourceSession, 'versionNumber'>,
  server: ServerState,
  { willCreateSlot, origin }: Pick<SourceNeeds, 'willCreateSlot' | 'origin'>,
): Fault[] {
  const version = Math.floor(versionNumber / 10_000);
  const faults: Fault[] = [];
  if (version < oldestVersion) {
    faults.push({
      text: `PostgreSQL ${version} is too old a source`,
      remedy: `upgrade it to ${oldestVersion} or newer`,
    });
  }
  if (origin === 'none' && version < 16) {
    faults.push({
      text: `PostgreSQL ${version} cannot leave out changes by their origin`,
      remedy:
        'start with --origin any; two directions between the same tables need 16 or newer',
    });
  }
  if (server.inRecovery && version < 16) {
    faults.push({
      text: `the source is a standby, which decodes nothing before PostgreSQL 16`,
      remedy: 'give the address of the primary in --sourceConn',
    });
  }
  if (server.walLevel !== 'logical') {
    faults.push({
      text: `wal_level is ${server.walLevel}, so the WAL does not say which rows changed`,
      remedy:
        'alter system set wal_level = logical; then restart the source (Amazon RDS: rds.logical_replication = 1, Cloud SQL: cloudsql.logical_decoding = on)',
    });
  }
  if (!server.mayReplicate) {
    faults.push({
      text: `the account ${server.account} may not read a slot`,
      remedy: `alter role ${quoted(server.account)} replication; on Amazon RDS: grant rds_replication to ${quoted(server.account)}`,
    });
  }
  if (willCreateSlot && server.slotCount >= server.slotLimit) {
    faults.push({
      text: `all ${server.slotLimit} replication slots of the source are in use`,
      remedy: `alter system set max_replication_slots = ${server.slotLimit + 5}; then restart the source; or drop a slot that nobody needs: select pg_drop_replication_slot(…)`,
    });
  }
  return faults;
}

export function serverWarnings(
  session: SourceSession,
  server: ServerState,
  needs: SourceNeeds,
): Finding[] {
  const version = Math.floor(session.versionNumber / 10_000);
  const findings: Finding[] = [];
  const warn = (text: string, remedy: string): void => {
    findings.push({ level: 'warn', subject: 'source', text, remedy });
  };
  if (version > newestTestedVersion) {
    warn(
      `PostgreSQL ${version} is newer than what was tested`,
      'read its release notes for changes of logical decoding',
    );
  }
  if (server.inRecovery && version >= 16) {
    warn(
      'the source is a standby: changes come when it has replayed them, and its slot ends if the primary leaves wal_level = logical',
      'to create a slot there, run select pg_log_standby_snapshot() at the primary, or it waits for the next checkpoint',
    );
  }
  if (server.walSenderCount >= server.walSenderLimit) {
    warn(
      `all ${server.walSenderLimit} walsenders of the source are in use`,
      `alter system set max_wal_senders = ${server.walSenderLimit + 5}; then restart the source; a daemon that reads already holds one of them`,
    );
  }
  findings.push(...timeoutWarnings(server, needs), ...keptWal(server));
  return findings;
}

function timeoutWarnings(
  { walSenderTimeoutMs, account }: ServerState,
  { standbyTimeoutMs }: SourceNeeds,
): Finding[] {
  if (walSenderTimeoutMs === 0) {
    return [
      {
        level: 'warn',
        subject: 'source',
        text: 'wal_sender_timeout is 0: the source does not notice that a daemon is gone without a word, and its slot stays taken',
        remedy: `alter role ${quoted(account)} set wal_sender_timeout = '1min'`,
      },
    ];
  }
  // One answer may come late, and one may be lost on the way.
  const leastMs = standbyTimeoutMs * 3;
  return walSenderTimeoutMs < leastMs
    ? [
        {
          level: 'warn',
          subject: 'source',
          text: `wal_sender_timeout is ${formatDuration(walSenderTimeoutMs)}, too short for --standbyTimeout ${formatDuration(standbyTimeoutMs)}: a short pause would end the connection`,
          remedy: `alter role ${quoted(account)} set wal_sender_timeout = '${Math.max(60_000, leastMs)}ms', or lower --standbyTimeout`,
        },
      ]
    : [];
}

/** What may become of the slot, or of the source's disk, while we are down. */
function keptWal({
  slotWalLimitMb,
  idleSlotTimeoutSeconds,
}: ServerState): Finding[] {
  const findings: Finding[] = [];
  if (slotWalLimitMb === -1) {
    findings.push({
      level: 'warn',
      subject: 'source',
      text: 'max_slot_wal_keep_size is -1: while no daemon reads the slot, WAL may fill the disk of the source',
      remedy:
        "watch the disk, or alter system set max_slot_wal_keep_size = '50GB'; select pg_reload_conf(): beyond that the slot is given up, and the tables have to be loaded again",
    });
  } else if (slotWalLimitMb !== null) {
    findings.push({
      level: 'ok',
      subject: 'source',
      text: `the source keeps ${formatByteSize(slotWalLimitMb * 2 ** 20)} of WAL for a slot (max_slot_wal_keep_size): a daemon that is down while more is written loses it`,
    });
  }
  if (idleSlotTimeoutSeconds !== null && idleSlotTimeoutSeconds > 0) {
    findings.push({
      level: 'warn',
      subject: 'source',
      text: `a slot that nobody reads for ${formatDuration(idleSlotTimeoutSeconds * 1000)} is given up (idle_replication_slot_timeout)`,
      remedy:
        'alter system set idle_replication_slot_timeout = 0; select pg_reload_conf(), where a daemon may be down for that long',
    });
  }
  return findings;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
