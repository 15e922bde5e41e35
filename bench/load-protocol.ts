/** What the bench and its load process say to one another. */
export interface LoadSetup {
  readonly kind: 'setup';
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface LoadCommand {
  readonly kind: 'run';
  readonly seconds: number;
  /** Send resolved timestamps, the last after the last row. */
  readonly resolved: boolean;
  /** Report some rows as they are sent. */
  readonly sample: boolean;
  /** An even pace, or null for as fast as answers come. */
  readonly rowsPerSecond: number | null;
}

export type LoadReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly text: string }
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
