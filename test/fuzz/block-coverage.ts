/**
 * Which blocks of some sources have run, asked of V8 itself. What is to be
 * counted must be imported after the session has begun: V8 gives block
 * counters to functions when it compiles them.
 */
import { type Profiler, Session } from 'node:inspector';

export class BlockCoverage {
  readonly #session = new Session();
  #covers: readonly string[];

  constructor(covers: readonly string[]) {
    this.#covers = covers;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', {
      callCount: true,
      detailed: true,
    });
  }

  /** From now on, of those alone. */
  only(covers: readonly string[]): void {
    this.#covers = covers;
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Blocks that have run since the last call. */
  take(): Set<string> {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    // Within one thread the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) {
        throw error;
      }
      scripts = result;
    });
    const blocks = new Set<string>();
    for (const { url, functions } of scripts) {
      if (!this.#covers.some((part) => url.includes(part))) {
        continue;
      }
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) {
            blocks.add(`${url}:${startOffset}-${endOffset}`);
          }
        }
      }
    }
    return blocks;
  }
}
