/** What an operator wants to see of a changefeed and its daemon. */
import type { WorkloadProgress } from '../../src/workload/workload.ts';
import { count, perSecond, tableRow, type View } from './screen.ts';
import type { VarzNumbers } from './varz.ts';

export interface ChangefeedSample {
  readonly workload: WorkloadProgress;
  /** Null while the daemon does not answer. */
  readonly daemon: VarzNumbers | null;
}

type Previous = ChangefeedSample | null;

export function changefeedView(
  sample: ChangefeedSample,
  previous: Previous,
): View {
  return { table: table(sample, previous), line: line(sample, previous) };
}

function rate(
  sample: ChangefeedSample,
  previous: Previous,
  read: (sample: ChangefeedSample) => number | undefined,
): number {
  const before = previous ? (read(previous) ?? 0) : 0;
  return perSecond(
    (read(sample) ?? 0) - before,
    sample.workload.elapsedMs - (previous?.workload.elapsedMs ?? 0),
  );
}

function table(sample: ChangefeedSample, previous: Previous): string[] {
  const { workload, daemon } = sample;
  const now = (read: (at: ChangefeedSample) => number | undefined): string =>
    `${count(rate(sample, previous, read))}/s`;
  const { lagSeconds = 0 } = daemon ?? {};
  return [
    tableRow(`${seconds(workload)} ${workload.phase}`, 'total', 'now'),
    tableRow(
      'rows written at source',
      count(workload.committedRows),
      now((at) => at.workload.committedRows),
    ),
    tableRow(
      'rows sent by the feed',
      count(workload.sentRows),
      now((at) => at.workload.sentRows),
    ),
    tableRow(
      'rows staged',
      count(daemon?.stagedRows),
      now((at) => at.daemon?.stagedRows),
    ),
    tableRow('  dropped: redelivered', count(daemon?.redeliveredRows)),
    tableRow(
      'rows applied',
      count(daemon?.appliedRows),
      now((at) => at.daemon?.appliedRows),
    ),
    tableRow('  written after folding', count(daemon?.writtenRows)),
    tableRow('lag', daemon ? `${lagSeconds.toFixed(2)} s` : '-'),
    tableRow(
      'backlog',
      count(daemon?.backlogRows),
      `${mebibytes(daemon?.stagingBytes)} MiB`,
    ),
    tableRow('states checked', count(workload.looks), 'all equal'),
    tableRow(
      'feed replays, restarts',
      `${workload.replays}, ${workload.restarts}`,
    ),
    tableRow('errors', count(daemon?.errors)),
  ];
}

function line(sample: ChangefeedSample, previous: Previous): string {
  const { workload, daemon } = sample;
  const parts = [
    `${seconds(workload)} ${workload.phase}`,
    `${workload.committedRows} rows at source`,
    `${workload.sentRows} sent`,
  ];
  if (daemon) {
    parts.push(
      `${daemon.stagedRows} staged`,
      `${daemon.appliedRows} applied (${rate(sample, previous, (at) => at.daemon?.appliedRows)}/s)`,
      `lag ${daemon.lagSeconds.toFixed(2)} s`,
      `backlog ${daemon.backlogRows}`,
      `errors ${daemon.errors}`,
    );
  } else {
    parts.push('the daemon does not answer');
  }
  parts.push(`${workload.looks} states checked`);
  return parts.join(', ');
}

function seconds(workload: WorkloadProgress): string {
  return `${Math.round(workload.elapsedMs / 1000)}s`;
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : (bytes / 2 ** 20).toFixed(1);
}
