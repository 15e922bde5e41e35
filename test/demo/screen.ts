/** A table that is drawn over itself on a terminal, one line a second elsewhere. */
import type { WorkloadProgress } from '../../src/workload/workload.ts';
import type { VarzNumbers } from './varz.ts';

export interface Sample {
  readonly workload: WorkloadProgress;
  /** Null while the daemon does not answer. */
  readonly daemon: VarzNumbers | null;
}

export class Screen {
  readonly #out: NodeJS.WriteStream;
  #previous: Sample | null = null;
  #drawnLines = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Text that stays; the table is drawn anew below it. */
  say(text: string): void {
    this.#drawnLines = 0;
    this.#out.write(`${text}\n`);
  }

  show(sample: Sample): void {
    if (this.#out.isTTY) {
      this.#draw(tableLines(sample, this.#previous));
    } else {
      this.#out.write(`${plainLine(sample, this.#previous)}\n`);
    }
    this.#previous = sample;
  }

  #draw(lines: readonly string[]): void {
    const up = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : '';
    // A terminal that does not know its width says 0.
    const width = (this.#out.columns || 80) - 1;
    this.#out.write(
      up + lines.map((line) => `\u001b[2K${line.slice(0, width)}\n`).join(''),
    );
    this.#drawnLines = lines.length;
  }
}

function perSecond(
  sample: Sample,
  previous: Sample | null,
  read: (sample: Sample) => number | undefined,
): number {
  const elapsedMs =
    sample.workload.elapsedMs - (previous?.workload.elapsedMs ?? 0);
  const before = previous ? (read(previous) ?? 0) : 0;
  const change = (read(sample) ?? 0) - before;
  return Math.max(0, Math.round((change * 1000) / Math.max(elapsedMs, 1)));
}

function tableLines(sample: Sample, previous: Sample | null): string[] {
  const { workload, daemon } = sample;
  const rate = (read: (at: Sample) => number | undefined): string =>
    `${count(perSecond(sample, previous, read))}/s`;
  const row = (label: string, value: string, second = ''): string =>
    `  ${label.padEnd(24)}${value.padStart(14)}${second.padStart(14)}`;
  const { lagSeconds = 0 } = daemon ?? {};
  return [
    row(`${seconds(workload)} ${workload.phase}`, 'total', 'now'),
    row(
      'rows written at source',
      count(workload.committedRows),
      rate((at) => at.workload.committedRows),
    ),
    row(
      'rows sent by the feed',
      count(workload.sentRows),
      rate((at) => at.workload.sentRows),
    ),
    row(
      'rows staged',
      count(daemon?.stagedRows),
      rate((at) => at.daemon?.stagedRows),
    ),
    row('  dropped: redelivered', count(daemon?.redeliveredRows)),
    row(
      'rows applied',
      count(daemon?.appliedRows),
      rate((at) => at.daemon?.appliedRows),
    ),
    row('  written after folding', count(daemon?.writtenRows)),
    row('lag', daemon ? `${lagSeconds.toFixed(2)} s` : '-'),
    row(
      'backlog',
      count(daemon?.backlogRows),
      `${mebibytes(daemon?.stagingBytes)} MiB`,
    ),
    row('states checked', count(workload.looks), 'all equal'),
    row('feed replays, restarts', `${workload.replays}, ${workload.restarts}`),
    row('errors', count(daemon?.errors)),
  ];
}

function plainLine(sample: Sample, previous: Sample | null): string {
  const { workload, daemon } = sample;
  const parts = [
    `${seconds(workload)} ${workload.phase}`,
    `${workload.committedRows} rows at source`,
    `${workload.sentRows} sent`,
  ];
  if (daemon) {
    parts.push(
      `${daemon.stagedRows} staged`,
      `${daemon.appliedRows} applied (${perSecond(sample, previous, (at) => at.daemon?.appliedRows)}/s)`,
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

function count(value: number | undefined): string {
  return value === undefined ? '-' : value.toLocaleString('en-US');
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : (bytes / 2 ** 20).toFixed(1);
}
