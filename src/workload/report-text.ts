/** What a run says, in lines for people. */
import { describeDifference } from './comparison.ts';
import type { WorkloadProgress, WorkloadReport } from './workload.ts';

/** One line a second; `previous` is the one before it, for the rate. */
export function progressLine(
  progress: WorkloadProgress,
  previous: WorkloadProgress | null,
): string {
  const elapsedMs = progress.elapsedMs - (previous?.elapsedMs ?? 0);
  const sentRows = progress.sentRows - (previous?.sentRows ?? 0);
  const perSecond = Math.round((sentRows * 1000) / Math.max(elapsedMs, 1));
  const behind = progress.transactions - progress.appliedTransactions;
  const parts = [
    `${Math.round(progress.elapsedMs / 1000)}s ${progress.phase}`,
    `${progress.transactions} transactions`,
    `${progress.committedRows} rows`,
    `${progress.sentRows} sent (${perSecond}/s)`,
    `${progress.pendingRows} unacknowledged`,
    `target ${behind} transactions behind`,
    `${progress.looks} looks`,
    ...(progress.resolvedMessages > 0
      ? [`${progress.replays} replays`, `${progress.restarts} restarts`]
      : []),
    `${progress.failedRequests} refused`,
  ];
  const failed =
    progress.phase === 'waiting for the daemon' ||
    progress.failedRequests > (previous?.failedRequests ?? 0) ||
    progress.failedLooks > (previous?.failedLooks ?? 0);
  return failed && progress.lastFailure !== ''
    ? `${parts.join(', ')}: ${progress.lastFailure}`
    : parts.join(', ');
}

/** `verified: …`, or what differs. */
export function reportLines(report: WorkloadReport): string[] {
  const { comparison, violation, progress } = report;
  if (report.verified && comparison) {
    return [
      progress.transactions === 0
        ? `nothing was written, so nothing is proven${progress.lastFailure === '' ? '' : `: ${progress.lastFailure}`}`
        : `verified: ${comparison.rowCount} rows in ${comparison.tableCount} tables are equal`,
    ];
  }
  const lines = violation
    ? [`after ${progress.looks} looks: ${violation.reason}`]
    : [];
  if (!comparison) {
    return violation
      ? lines
      : [`the target did not answer: ${progress.lastFailure}`];
  }
  lines.push(...comparison.differences.flatMap(describeDifference));
  const hidden = comparison.differenceCount - comparison.differences.length;
  if (hidden > 0) {
    lines.push(`… and ${hidden} more`);
  }
  const missing = progress.transactions - progress.appliedTransactions;
  lines.push(
    `${comparison.differenceCount} rows differ in ${comparison.tableCount} tables; the target has applied ${progress.appliedTransactions} of ${progress.transactions} transactions${missing > 0 ? `, ${missing} are missing` : ''}`,
  );
  return lines;
}
