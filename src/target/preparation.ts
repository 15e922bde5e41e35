/** What a target needs before it is written to, beyond the tables of the feed and grants. */
export interface PreparationStep {
  /** `foreign key of_parent of dbo.child` */
  readonly what: string;
  /** In the engine's words. */
  readonly statement: string;
  /** True: the statement is a pattern that a person must fill in and run. */
  readonly needsHand: boolean;
}

export interface Preparation extends AsyncDisposable {
  readonly steps: readonly PreparationStep[];
  /** Behind each statement of a script. */
  readonly batchEnd: string;
  /** Whole or not at all; rejects with a 4xxx error. */
  run(step: PreparationStep): Promise<void>;
}

export const nothingToPrepare: Preparation = {
  steps: [],
  batchEnd: ';',
  run: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
