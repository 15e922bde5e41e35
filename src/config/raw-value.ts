/** A value as somebody typed it, before it is understood. */
export interface RawValue {
  readonly text: string;
  /** Where it stood, for error lines: `--flushSize`, `REPLICATOR_FLUSH_SIZE`. */
  readonly where: string;
}

/** By option name. */
export type RawValues = Map<string, RawValue>;
