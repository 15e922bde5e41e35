import type { TableShape } from './target.ts';

/**
 * Nothing but its key holds one of its rows against another: no unique value,
 * no reference, no rule of the target's own. Where that is not known it does not.
 */
export function standsAlone({
  primaryKey,
  uniqueKeys,
  foreignKeys,
  columns,
  changesQuietly = false,
}: TableShape): boolean {
  return (
    changesQuietly &&
    primaryKey.length > 0 &&
    uniqueKeys.length === 0 &&
    foreignKeys.length === 0 &&
    !columns.some(({ referred }) => referred)
  );
}
