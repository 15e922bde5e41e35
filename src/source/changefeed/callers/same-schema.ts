/**
 * Whether a part of a schema's name that somebody is allowed is the one that
 * a request names: as the target itself compares names.
 */
export type SamePart = (allowed: string, requested: string) => boolean;

/** Whether an allowed schema, any part of which may be null for any, is that one. */
export function matchesSchema(
  allowed: readonly (string | null)[],
  requested: readonly string[],
  samePart: SamePart,
): boolean {
  return (
    allowed.length === requested.length &&
    allowed.every(
      (part, index) => part === null || samePart(part, requested[index]!),
    )
  );
}

/** As they are written, quotes and case and all. */
export const sameExactly: SamePart = (allowed, requested) =>
  allowed === requested;
