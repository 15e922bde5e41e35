/** What a daemon wants of its source, as its options say. */
export interface SourceNeeds {
  readonly slotName: string;
  readonly publicationNames: readonly string[];
  /** Schemas of the source that are replicated. */
  readonly schemas: readonly string[];
  /** Where the slot is missing, start would make it. */
  readonly willCreateSlot: boolean;
  readonly willCreatePublication: boolean;
  /** A slot that is made is to be kept on standbys too. */
  readonly slotFailover: boolean;
  /** How often the daemon tells the source where it is. */
  readonly standbyTimeoutMs: number;
  /** `none` leaves out what came to the source by replication; needs 16. */
  readonly origin: 'any' | 'none';
}
