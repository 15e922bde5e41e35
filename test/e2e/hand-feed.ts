import {
  type Answer,
  openSender,
  parseSinkUrl,
} from '../../src/workload/sender.ts';

/** A changefeed in the hand: one request at a time, at made-up instants. */
export class HandFeed implements Disposable {
  readonly #sender;

  constructor(url: string, requestTimeoutMs = 10_000) {
    this.#sender = openSender(parseSinkUrl(url), {
      concurrentRequests: 2,
      requestTimeoutMs,
      gzip: false,
    });
  }

  rows(
    ...rows: {
      topic?: string;
      key: unknown[];
      after: object | null;
      at: number;
    }[]
  ): Promise<Answer> {
    const payload = rows.map(({ topic = 'item', key, after, at }) => ({
      after,
      key,
      topic,
      updated: instant(at),
    }));
    return this.#post({ payload, length: payload.length });
  }

  resolved(at: number): Promise<Answer> {
    return this.#post({ resolved: instant(at) });
  }

  #post(body: object): Promise<Answer> {
    return this.#sender.post(
      JSON.stringify(body),
      new AbortController().signal,
    );
  }

  [Symbol.dispose](): void {
    this.#sender[Symbol.dispose]();
  }
}

/** Seconds after an instant long past. */
export function instant(at: number): string {
  return `${1_700_000_000 + at}000000000.0000000000`;
}
