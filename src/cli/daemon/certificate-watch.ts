import { asReplicatorError } from '../../failure/failure.ts';
import {
  expirySentence,
  expiryStage,
  isoTime,
  type ServedCertificate,
  servedCertificates,
} from '../../source/changefeed/server/certificate-expiry.ts';
import type { TlsTexts } from '../../source/changefeed/server/tls-files.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

export interface CertificateWatchOptions {
  /** What is served at first. */
  readonly texts: TlsTexts;
  /** What the files hold now; rejects where they cannot be read. */
  readonly read: (before: TlsTexts) => Promise<TlsTexts>;
  /** Throws where that cannot be served. */
  readonly check: (texts: TlsTexts) => void;
  /** Serves them from now on. */
  readonly take: (texts: TlsTexts) => void;
  /** An authority has expired: see Transport.judgeAgain. */
  readonly judgeAgain: () => void;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly nowMs?: () => number;
}

/** Contents are compared, not times: symlinks swap, and mounts lie. */
const everyMs = 3_000;

/**
 * Looks at the certificate files every few seconds, and takes over what has
 * changed and stood still for one look: a pair or a bundle that is being
 * written is left alone. What does not serve changes nothing, and is said
 * once. Says too when a certificate is about to end.
 */
export class CertificateWatch implements Disposable {
  readonly #options: CertificateWatchOptions;
  readonly #nowMs: () => number;
  #texts: TlsTexts;
  /** What the last look found, as one text; null when it was what is served. */
  #found: string | null = null;
  #complaint: string | null = null;
  #served: readonly ServedCertificate[];
  /** What was said of a certificate, by its fingerprint. */
  readonly #saidStages = new Map<string, number | 'early'>();
  #timer: NodeJS.Timeout | undefined;
  /** One look at a time, in the order in which they were asked for. */
  #last: Promise<void> = Promise.resolve();
  #waitingCount = 0;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#texts = options.texts;
    this.#served = servedCertificates(options.texts);
    options.metrics.replicator_certificate_reload_failing.set(0);
    this.#measure();
    this.#tellExpiry(false);
  }

  /** Goes on by itself until it is disposed. */
  start(): this {
    this.#timer = setInterval(() => {
      // A disk that does not answer is not asked once more.
      if (this.#waitingCount === 0) {
        void this.look();
      }
    }, everyMs);
    this.#timer.unref();
    return this;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Never rejects. */
  look(): Promise<void> {
    return this.#enqueue(false);
  }

  /** On SIGHUP: at once, and whatever comes of it is said. */
  reload(): Promise<void> {
    return this.#enqueue(true);
  }

  #enqueue(isAsked: boolean): Promise<void> {
    this.#waitingCount += 1;
    this.#last = this.#last.then(async () => {
      await this.#look(isAsked);
      this.#waitingCount -= 1;
      this.#tellExpiry(true);
    });
    return this.#last;
  }

  async #look(isAsked: boolean): Promise<void> {
    const { check, read, take } = this.#options;
    let texts: TlsTexts;
    try {
      texts = await read(this.#texts);
    } catch (error) {
      if (this.#isSettled('unreadable') || isAsked) {
        this.#complain(error, isAsked);
      }
      return;
    }
    const content = contentOf(texts);
    const isSettled = isAsked || this.#isSettled(content);
    if (content === contentOf(this.#texts)) {
      this.#isWell();
      if (isAsked) {
        this.#tellRead('nothing has changed');
      }
      return;
    }
    if (!isSettled) {
      return;
    }
    try {
      check(texts);
      take(texts);
    } catch (error) {
      this.#complain(error, isAsked);
      return;
    }
    this.#texts = texts;
    this.#served = servedCertificates(texts);
    this.#measure();
    this.#isWell();
    this.#tellRead('new connections use the new ones');
  }

  /** Whether the look before found the same. */
  #isSettled(found: string): boolean {
    const isSettled = found === this.#found;
    this.#found = found;
    return isSettled;
  }

  #isWell(): void {
    this.#complaint = null;
    this.#options.metrics.replicator_certificate_reload_failing.set(0);
  }

  /** Once for each cause; whoever asked hears it again. */
  #complain(error: unknown, isAsked: boolean): void {
    const { line } = asReplicatorError(error);
    this.#options.metrics.replicator_certificate_reload_failing.set(1);
    if (isAsked || line !== this.#complaint) {
      this.#complaint = line;
      this.#options.logger.error(
        `the certificates stay as they were: ${line}. The files are looked at again every few seconds`,
      );
    }
  }

  #tellRead(outcome: string): void {
    this.#options.logger.info(
      {
        certificates: this.#served.map(
          ({ role, subject, notAfterMs }) =>
            `${role} ${subject} until ${isoTime(notAfterMs)}`,
        ),
      },
      `certificates read again: ${outcome}`,
    );
  }

  #measure(): void {
    const gauge =
      this.#options.metrics.replicator_certificate_expiry_timestamp_seconds;
    gauge.reset();
    for (const { role, subject, fingerprint, notAfterMs } of this.#served) {
      gauge.set({ role, subject, fingerprint }, notAfterMs / 1_000);
    }
  }

  /** 30, 7 and 1 days ahead and when it is over, once each. */
  #tellExpiry(isServing: boolean): void {
    const { logger, judgeAgain } = this.#options;
    const nowMs = this.#nowMs();
    for (const certificate of this.#served) {
      const { fingerprint, role, notBeforeMs, notAfterMs } = certificate;
      const stage =
        notBeforeMs > nowMs ? 'early' : expiryStage(notAfterMs, nowMs);
      if (stage === null || this.#saidStages.get(fingerprint) === stage) {
        continue;
      }
      this.#saidStages.set(fingerprint, stage);
      const sentence = expirySentence(certificate, nowMs);
      if (stage === 0 || stage === 'early') {
        logger.error(sentence);
      } else {
        logger.warn(sentence);
      }
      // Its callers came in while it was good.
      if (stage === 0 && role === 'client_ca' && isServing) {
        judgeAgain();
      }
    }
  }
}

function contentOf({ cert, key, ca }: TlsTexts): string {
  return JSON.stringify([cert, key, ca]);
}
