/**
 * The schema that a path segment means: `shop` and `SHOP` both mean SHOP, as in
 * SQL; the segment `"shop"`, quotes included, means shop.
 */
export function oracleSchemaPart(segment: string): string {
  return /^".+"$/.test(segment) ? segment.slice(1, -1) : segment.toUpperCase();
}
