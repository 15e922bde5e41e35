/** How rows can be without their unique values for a while. */
import { decimalSpares, textSpares } from '../../apply/spare-values.ts';
import type { ColumnShape, ParkingRules, SpareKind } from '../../target.ts';
import { codecOf } from '../values/codec.ts';

export const parkingRules: ParkingRules = {
  // Two keys that are null in part and equal otherwise are duplicates.
  nullColumns: (columns, key) =>
    columns.length === key.length && key.length > 0 ? columns : null,
  spareKind,
};

function spareKind(column: ColumnShape): SpareKind | null {
  const codec = codecOf(column);
  if (column.identity === 'always') {
    return null;
  }
  if (codec.kind === 'decimal') {
    return decimalSpares(codec);
  }
  if (codec.kind === 'number') {
    const precision = Math.min(18, codec.digitCount);
    return decimalSpares({ precision, scale: 0 });
  }
  if (codec.kind === 'date') {
    return { kind: 'timestamp', hasZone: false };
  }
  if (codec.kind === 'timestamp') {
    return { kind: 'timestamp', hasZone: codec.hasZone };
  }
  return codec.kind === 'text' && !codec.booleans
    ? textSpares(codec.maxLength)
    : null;
}
