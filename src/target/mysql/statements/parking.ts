/** How rows can be without their unique values for a while. */
import {
  decimalSpares,
  integerSpares,
  textSpares,
} from '../../apply/spare-values.ts';
import type { ColumnShape, ParkingRules, SpareKind } from '../../target.ts';
import { codecOf } from '../values/codec.ts';

export const parkingRules: ParkingRules = {
  // One null is enough; of an index on an expression each may be needed.
  nullColumns: (columns) => (columns.length === 0 ? null : columns),
  spareKind,
};

function spareKind(column: ColumnShape): SpareKind | null {
  const codec = codecOf(column);
  if (codec.kind === 'integer') {
    return integerSpares(BigInt(codec.min), BigInt(codec.max));
  }
  if (codec.kind === 'decimal') {
    return decimalSpares(codec);
  }
  if (codec.kind === 'date') {
    return { kind: 'date' };
  }
  if (codec.kind === 'datetime' && codec.until === null) {
    return { kind: 'timestamp', hasZone: false };
  }
  return codec.kind === 'text' ? textSpares(codec.maxLength ?? Infinity) : null;
}
