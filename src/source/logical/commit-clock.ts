/**
 * Gives each source transaction its time. Commit times come from the source's
 * clock, which may stand still or be set back; WAL order does not. So a time
 * is that of the commit where it is later than all before, else one tick more.
 */
import { nextTimestamp, type Timestamp } from '../../mutation/timestamp.ts';

/** 2000-01-01 in microseconds since 1970. */
const postgresEpochMicros = 946_684_800_000_000;

export class CommitClock {
  #last: Timestamp;

  constructor(last: Timestamp) {
    this.#last = last;
  }

  get last(): Timestamp {
    return this.#last;
  }

  /** `commitMicros` counts from 2000-01-01, as PostgreSQL does. */
  next(commitMicros: bigint): Timestamp {
    // Exact as a number until the year 2255, and five times as fast.
    const micros = Number(commitMicros) + postgresEpochMicros;
    const time =
      `${String(micros).padStart(16, '0')}000.0000000000` as Timestamp;
    this.#last = time > this.#last ? time : nextTimestamp(this.#last);
    return this.#last;
  }
}
