/**
 * Gives each source transaction its time. Commit times come from the source's
 * clock, which may stand still or be set back; WAL order does not. So a time
 * is that of the commit where it is later than all before, else one tick more.
 */
import { nextTimestamp, type Timestamp } from '../../mutation/timestamp.ts';

/** 2000-01-01 in microseconds since 1970. */
const postgresEpochMicros = 946_684_800_000_000;
const microsPerSecond = 1_000_000;

/** `000` to `999`. */
const threeDigits = Array.from({ length: 1_000 }, (_, number) =>
  String(number).padStart(3, '0'),
);

export class CommitClock {
  #last: Timestamp;
  /** Its microseconds: a later one is told without looking at text. */
  #lastMicros: number;
  #second = -1;
  /** The digits of that second. */
  #secondText = '';

  constructor(last: Timestamp) {
    this.#last = last;
    this.#lastMicros = microsOf(last);
  }

  get last(): Timestamp {
    return this.#last;
  }

  /** `commitMicros` counts from 2000-01-01, as PostgreSQL does. */
  next(commitMicros: bigint): Timestamp {
    // Exact as a number until the year 2255, and five times as fast.
    const micros = Number(commitMicros) + postgresEpochMicros;
    if (micros > this.#lastMicros) {
      this.#last = this.#timeAt(micros);
      this.#lastMicros = micros;
    } else {
      this.#last = nextTimestamp(this.#last);
      this.#lastMicros = microsOf(this.#last);
    }
    return this.#last;
  }

  /** In parts: making a text of sixteen digits takes three times as long. */
  #timeAt(micros: number): Timestamp {
    const second = Math.floor(micros / microsPerSecond);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = String(second).padStart(10, '0');
    }
    const rest = micros - second * microsPerSecond;
    const thousands = Math.floor(rest / 1_000);
    return `${this.#secondText}${threeDigits[thousands]}${threeDigits[rest - thousands * 1_000]}000.0000000000` as Timestamp;
  }
}

function microsOf(time: Timestamp): number {
  return Number(time.slice(0, 16));
}
