/** What the rows of a load look like. */
export interface LoadShape {
  readonly requestRows: number;
  /** Each request goes to the next table; a changefeed sends one topic each. */
  readonly tables: number;
  /** Length of an after-image of an id and a note; null: the usual row. */
  readonly rowBytes: number | null;
  /** Every change is of the first row, which tells the number of the change. */
  readonly isHot: boolean;
  /** So many rows are there before, with other values: changes are updates. */
  readonly knownRows: number;
}

export const USUAL_SHAPE: LoadShape = {
  requestRows: 100,
  tables: 1,
  rowBytes: null,
  isHot: false,
  knownRows: 0,
};

/** More than a few seconds change. */
export const KNOWN_SHAPE: LoadShape = { ...USUAL_SHAPE, knownRows: 1_500_000 };
