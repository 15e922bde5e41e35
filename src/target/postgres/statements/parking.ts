/** How rows can be without their unique values for a while. */
import {
  decimalSpares,
  integerSpares,
  textSpares,
} from '../../apply/spare-values.ts';
import type { ColumnShape, ParkingRules, SpareKind } from '../../target.ts';
import { codecOf } from '../values/codec.ts';

export const parkingRules: ParkingRules = {
  // One null is enough; of an index with a condition each may be needed.
  nullColumns: (columns) => (columns.length === 0 ? null : columns),
  spareKind,
};

const integerBits: ReadonlyMap<string, bigint> = new Map([
  ['int2', 16n],
  ['int4', 32n],
  ['int8', 64n],
]);

function spareKind(column: ColumnShape): SpareKind | null {
  const codec = codecOf(column);
  if (codec.kind !== 'scalar') {
    return null;
  }
  const limit = codec.limit ?? { type: 'other' };
  const bits = integerBits.get(limit.type);
  if (bits !== undefined) {
    return integerSpares(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n);
  }
  if (limit.type === 'numeric') {
    return decimalSpares(limit);
  }
  if (limit.type === 'unlimited-numeric') {
    return decimalSpares({ precision: 18, scale: 0 });
  }
  if (limit.type === 'uuid' || limit.type === 'date') {
    return { kind: limit.type };
  }
  if (limit.type === 'timestamp' || limit.type === 'timestamptz') {
    return { kind: 'timestamp', hasZone: limit.type === 'timestamptz' };
  }
  if (limit.type === 'limited-text') {
    return textSpares(limit.length);
  }
  return limit.type === 'text' || column.type.endsWith('."citext"')
    ? textSpares(Infinity)
    : null;
}
