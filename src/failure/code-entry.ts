/**
 * - `retry`: the same thing may work in a moment.
 * - `defer`: let others pass first, then try again (a missing parent).
 * - `set-aside`: this row alone can never work; the others can.
 * - `halt`: stop and wake a person. Whatever is unknown halts.
 */
export type Disposition = 'retry' | 'defer' | 'set-aside' | 'halt';

/** One row of the catalogue of failures (codes.ts). */
export interface CodeEntry {
  readonly meaning: string;
  readonly disposition: Disposition;
  /** What a webhook caller hears; 503 where no caller is involved. */
  readonly httpStatus: number;
  readonly remedy: string;
}
