import { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { printTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import type { RecordedResolved } from '../../staging/staging.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { ResolvedTrack, type SharedNotes } from './resolved-track.ts';
import type { PipelineStatus } from '../watching/status.ts';

/**
 * A resolved message that was held up here for longer may have been sent again
 * and overtaken, at another daemon perhaps: its place says nothing.
 */
const overtakenAfterMs = 1_000;

interface FeedConflictsParts {
  /** Null where this daemon has staging to itself. */
  readonly shared: SharedNotes | null;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Signs of a second changefeed, told in status, metric and log. */
export class FeedConflicts {
  readonly #schema: SchemaName;
  readonly #status: PipelineStatus;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #track: ResolvedTrack;
  /** Where the store does not count them. */
  #messageCount = 0;

  constructor(
    schema: SchemaName,
    status: PipelineStatus,
    { shared, metrics, logger }: FeedConflictsParts,
  ) {
    this.#schema = schema;
    this.#status = status;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#track = new ResolvedTrack(shared, schema);
  }

  /** A request was refused; it may be for a row that was never here. */
  refused(error: unknown): void {
    if (error instanceof ReplicatorError && error.code === 'E1029') {
      this.#tell(error);
    }
  }

  /** A resolved message came, and was recorded after so long. Never rejects. */
  async heard(
    time: Timestamp,
    { accepted, checkpoint, messageNumber }: RecordedResolved,
    tookMs: number,
  ): Promise<void> {
    this.#messageCount += 1;
    if (accepted || tookMs >= overtakenAfterMs) {
      return;
    }
    const number = messageNumber ?? this.#messageCount;
    const step = { number, time, height: checkpoint.resolved };
    // Staging's own errors are told where rows are staged.
    if (await this.#track.seesTwoFeeds(step).catch(() => false)) {
      this.#tell(
        new ReplicatorError('E1030', {
          detail: `${this.#schema} hears resolved timestamps that go back and forth, the last of them ${printTimestamp(time)}`,
        }),
      );
    }
  }

  #tell(conflict: ReplicatorError): void {
    this.#metrics.replicator_feed_conflicts_total.inc({ schema: this.#schema });
    if (this.#status.conflicted(conflict)) {
      this.#logger.error({ code: conflict.code }, conflict.line);
    }
  }
}
