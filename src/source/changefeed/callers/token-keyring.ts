import { setTimeout as sleep } from 'node:timers/promises';

import {
  asReplicatorError,
  ReplicatorError,
} from '../../../failure/failure.ts';
import type { TokenRegister } from '../../../staging/tokens.ts';
import type { Logger } from '../../../telemetry/logger.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';
import type { TokenClaims } from './token-claims.ts';
import { TokenVerifier } from './token-verifier.ts';
import { readVerifyingKey, type VerifyingKey } from './verifying-key.ts';

/** As at the peer. */
const reloadPeriodMs = 60_000;
/** After a failure, until it works again. */
const retryPeriodMs = 5_000;
/**
 * A key or token may be revoked while staging does not answer. For so long
 * what was read last is believed; then nobody is let in.
 */
const maxAgeMs = 600_000;

export interface KeyringOptions {
  readonly register: TokenRegister;
  /** `--jwtAudience`; null where it is not given. */
  readonly audience: string | null;
  /** Warns where there is no key to verify any token with. */
  readonly areTokensAsked: boolean;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly periods?: {
    readonly reloadMs: number;
    readonly retryMs: number;
    readonly maxAgeMs: number;
  };
}

/**
 * The keys and revoked ids of staging, read again each minute and on demand.
 *
 * Invariants: before they were read once nobody is let in; a set of keys is
 * replaced whole; what cannot be read is never taken for "nothing is revoked".
 */
export class TokenKeyring implements AsyncDisposable {
  readonly #options: KeyringOptions;
  readonly #periods: NonNullable<KeyringOptions['periods']>;
  readonly #stop = new AbortController();
  #verifier: TokenVerifier | null = null;
  /** The rows behind the verifier's keys, as one text. */
  #keysInForce: string | null = null;
  #loadedAtMs = -Infinity;
  #isFailing = false;
  #isWithoutKeys = false;
  readonly #unfitKeys = new Set<string>();
  /** Of reloads that are asked for while one runs, one more follows. */
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #loop: Promise<void> = Promise.resolve();

  private constructor(options: KeyringOptions) {
    this.#options = options;
    this.#periods = options.periods ?? {
      reloadMs: reloadPeriodMs,
      retryMs: retryPeriodMs,
      maxAgeMs,
    };
  }

  /** Rejects where the keys cannot be read at all. */
  static async open(options: KeyringOptions): Promise<TokenKeyring> {
    const keyring = new TokenKeyring(options);
    await keyring.#load();
    keyring.#loop = keyring.#keepLoading();
    return keyring;
  }

  /** Rejects as TokenVerifier.verify does, and with E5017 without keys. */
  async verify(token: string): Promise<TokenClaims> {
    if (
      this.#verifier === null ||
      performance.now() - this.#loadedAtMs > this.#periods.maxAgeMs
    ) {
      throw new ReplicatorError('E5017');
    }
    return await this.#verifier.verify(token);
  }

  /** Resolves when what stood in staging at the call is in force, or failed. */
  async reload(): Promise<void> {
    if (this.#running === null) {
      this.#running = this.#tryLoad().finally(() => (this.#running = null));
      return await this.#running;
    }
    // What runs may have read before: another one begins when it has ended.
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.reload();
    });
    return await this.#next;
  }

  /** For /_/diag: counts, no ids. */
  diagnostics(): Record<string, unknown> {
    return {
      activeKeys: this.#verifier?.keyCount ?? 0,
      keptTokens: this.#verifier?.keptCount ?? 0,
      revokedTokens: this.#verifier?.revokedCount ?? 0,
      failing: this.#isFailing,
      ageSeconds: Number.isFinite(this.#loadedAtMs)
        ? Math.round((performance.now() - this.#loadedAtMs) / 1000)
        : null,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #keepLoading(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(
        this.#isFailing ? this.#periods.retryMs : this.#periods.reloadMs,
        undefined,
        { signal, ref: false },
      ).catch(() => {});
      if (!signal.aborted) {
        await this.reload();
      }
    }
  }

  async #tryLoad(): Promise<void> {
    const { logger, metrics } = this.#options;
    try {
      await this.#load();
      if (this.#isFailing) {
        this.#isFailing = false;
        logger.info('the keys of tokens are read again');
      }
    } catch (error) {
      if (this.#stop.signal.aborted) {
        return;
      }
      metrics.replicator_jwt_refresh_failures_total.inc();
      if (!this.#isFailing) {
        this.#isFailing = true;
        logger.warn(
          { err: error },
          `the keys of tokens cannot be read: those read last stay in force for ${Math.round(this.#periods.maxAgeMs / 60_000)} minutes since then, and then nobody is let in by a token: ${asReplicatorError(error).line}`,
        );
      }
    }
  }

  async #load(): Promise<void> {
    const { register, audience, metrics } = this.#options;
    const { signal } = this.#stop;
    const startedAtMs = performance.now();
    const rows = await register.keys(signal);
    const revokedIds = new Set(await register.revokedIds(signal));
    const active = rows
      .filter(({ isActive }) => isActive)
      .map(({ id, publicKey }) => [id, publicKey] as const);
    const inForce = JSON.stringify(active);
    if (this.#verifier !== null && inForce === this.#keysInForce) {
      this.#verifier = this.#verifier.withRevoked(revokedIds);
    } else {
      const keys = active
        .map(([id, publicKey]) => this.#readKey(id, publicKey))
        .filter((key) => key !== null);
      this.#verifier = new TokenVerifier({ keys, revokedIds, audience });
      this.#keysInForce = inForce;
    }
    this.#loadedAtMs = startedAtMs;
    metrics.jwt_last_refresh_time.set(Math.floor(Date.now() / 1000));
    this.#warnWithoutKeys(this.#verifier.keyCount === 0);
  }

  /** One row that is none must not keep the others from their work. */
  #readKey(id: string, publicKey: string): VerifyingKey | null {
    try {
      const key = readVerifyingKey(id, publicKey);
      this.#unfitKeys.delete(id);
      return key;
    } catch (error) {
      if (!this.#unfitKeys.has(id)) {
        this.#unfitKeys.add(id);
        this.#options.logger.warn(
          `the key ${id} verifies no token: ${asReplicatorError(error).line}`,
        );
      }
      return null;
    }
  }

  #warnWithoutKeys(isWithoutKeys: boolean): void {
    if (this.#options.areTokensAsked && isWithoutKeys && !this.#isWithoutKeys) {
      this.#options.logger.warn(
        'callers are asked for a token and there is no active key to verify one with: every request is answered 401 until there is (replicator jwt add-key)',
      );
    }
    this.#isWithoutKeys = isWithoutKeys;
  }
}
