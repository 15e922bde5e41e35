/** One thing that reads what others wrote, and what must hold of it. */
export interface FuzzTarget {
  /** The folder of its corpus. */
  readonly name: string;
  /** Pieces that mutation would hardly find by itself. */
  readonly dictionary: readonly string[];
  /** Parts of the paths of the sources whose blocks are counted. */
  readonly covers: readonly string[];
  /**
   * Checks one input, without state that outlives it. Throws where an
   * invariant does not hold; else says in a word what came out (a code, the
   * kind of a result): a word that is new makes an input worth keeping.
   */
  check(input: Buffer): string;
}
