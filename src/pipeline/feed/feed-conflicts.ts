import type { Logger } from 'pino';

import { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { printTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { ResolvedTrack } from './resolved-track.ts';
import type { PipelineStatus } from '../watching/status.ts';

/**
 * A resolved message that was held up here for longer may have been sent again
 * and overtaken, at another daemon perhaps: its place says nothing.
 */
const overtakenAfterMs = 1_000;

/** Signs of a second changefeed, told in status, metric and log. */
export class FeedConflicts {
  readonly #schema: SchemaName;
  readonly #status: PipelineStatus;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #track = new ResolvedTrack();

  constructor(
    schema: SchemaName,
    status: PipelineStatus,
    { metrics, logger }: { metrics: Metrics; logger: Logger },
  ) {
    this.#schema = schema;
    this.#status = status;
    this.#metrics = metrics;
    this.#logger = logger;
  }

  /** A request was refused; it may be for a row that was never here. */
  refused(error: unknown): void {
    if (error instanceof ReplicatorError && error.code === 'E1029') {
      this.#tell(error);
    }
  }

  /**
   * A resolved message came, and was recorded after so long; it is not
   * accepted where it goes backwards.
   */
  heard(time: Timestamp, accepted: boolean, tookMs: number): void {
    if (!accepted && tookMs >= overtakenAfterMs) {
      return;
    }
    if (this.#track.seesTwoFeeds(time, accepted)) {
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
