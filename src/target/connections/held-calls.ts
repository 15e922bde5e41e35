interface HeldCall {
  readonly make: () => void;
  readonly refuse: (error: Error) => void;
}

/** Calls that are made at once, or, while they are held, later in their order. */
export class HeldCalls {
  /** Null: nothing is held any more. */
  #waiting: HeldCall[] | null;
  /** Of those that were held: whatever comes behind them fails as they did. */
  #refusal: Error | null = null;

  constructor({ isHeld }: { readonly isHeld: boolean }) {
    this.#waiting = isHeld ? [] : null;
  }

  get areHeld(): boolean {
    return this.#waiting !== null;
  }

  make<T>(call: () => Promise<T>): Promise<T> {
    if (this.#refusal) {
      return Promise.reject(this.#refusal);
    }
    const waiting = this.#waiting;
    if (waiting === null) {
      return call();
    }
    return new Promise((resolve, reject) =>
      waiting.push({ make: () => resolve(call()), refuse: reject }),
    );
  }

  /** What is done once those before it are made, and never if they are refused. */
  behind(work: () => void): void {
    if (this.#waiting === null) {
      work();
    } else {
      this.#waiting.push({ make: work, refuse: () => {} });
    }
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const { make } of waiting) {
      make();
    }
  }

  refuse(error: Error): void {
    this.#refusal ??= error;
    for (const { refuse } of this.#waiting?.splice(0) ?? []) {
      refuse(error);
    }
  }
}
