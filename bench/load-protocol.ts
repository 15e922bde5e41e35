import type { LoadShape } from './load-shape.ts';

/** What the bench and its load process say to one another. */
export interface LoadSetup {
  readonly kind: 'setup';
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly shape: LoadShape;
}

export interface LoadCommand {
  readonly kind: 'run';
  readonly seconds: number;
  /** Ends with the request that makes them full, if that is sooner. */
  readonly rows?: number;
  /** Send resolved timestamps, the last after the last row. */
  readonly resolved: boolean;
  /** Report the first row of every so many requests. */
  readonly sample?: {
    readonly every: number;
    /**
     * When it is sent, or when the resolved timestamp is that first covers it:
     * until then nobody may apply it.
     */
    readonly at: 'sending' | 'resolving';
  };
  /** An even pace, or null for as fast as answers come. */
  readonly rowsPerSecond: number | null;
  /** Source times lie this far in the past; 0 if absent. */
  readonly pastMs?: number;
}

export type LoadReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly text: string }
  /** By the clock of the machine, see {@link machineMs}. */
  | { readonly kind: 'sample'; readonly id: number; readonly sentAtMs: number }
  | LoadResult;

export interface LoadResult {
  readonly kind: 'done';
  readonly rowCount: number;
  /** All ids below this have been sent and accepted. */
  readonly nextId: number;
  readonly elapsedMs: number;
  /** Of each request, from write to answer. */
  readonly latenciesMs: readonly number[];
}

/** Milliseconds that mean the same in every process of the machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
