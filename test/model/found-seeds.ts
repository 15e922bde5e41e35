/** Every case in which the suite has ever found something, so that it stays mended. */
import type { ModelCase } from './model-case.ts';

export interface FoundCase {
  /** One sentence: what was wrong. */
  readonly found: string;
  readonly model: ModelCase;
}

export const foundCases: readonly FoundCase[] = [];
