/**
 * Whether a part of a schema's name that somebody is allowed is the one that
 * a request names: as the target itself compares names.
 */
export type SamePart = (allowed: string, requested: string) => boolean;

/** As they are written, quotes and case and all. */
export const sameExactly: SamePart = (allowed, requested) =>
  allowed === requested;
