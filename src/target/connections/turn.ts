interface Waiting {
  prepare(): void;
  begin(): void;
}

/**
 * Work begins in the order in which it comes, and not while one has the turn.
 * Nobody gets ahead in the moment between the end of a turn and the beginning
 * of those who have waited for it: they begin before that returns.
 */
export class Turn {
  #isTaken = false;
  readonly #waiting: Waiting[] = [];

  /** `prepare`, which never throws, comes right before, and may take the turn. */
  begin<T>(work: () => Promise<T>, prepare: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        prepare,
        begin: () => void work().then(resolve, reject),
      });
      this.#beginNext();
    });
  }

  /** Begins at once: nobody else may have it. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    this.#isTaken = true;
    try {
      return await work();
    } finally {
      this.#isTaken = false;
      this.#beginNext();
    }
  }

  #beginNext(): void {
    let [next] = this.#waiting;
    while (next && !this.#isTaken) {
      next.prepare();
      if (this.#isTaken) {
        return;
      }
      this.#waiting.shift();
      next.begin();
      [next] = this.#waiting;
    }
  }
}
