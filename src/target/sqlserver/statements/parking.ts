/** How rows can be without their unique values for a while. */
import {
  decimalSpares,
  integerSpares,
  textSpares,
} from '../../apply/spare-values.ts';
import type { ColumnShape, ParkingRules, SpareKind } from '../../target.ts';
import { codecOf, repeatsNull } from '../values/codec.ts';

export const parkingRules: ParkingRules = {
  // A unique index holds nulls to be equal, unless it leaves them out.
  nullColumns: (columns) => {
    const column = columns.find(repeatsNull);
    return column ? [column] : null;
  },
  spareKind,
};

function spareKind(column: ColumnShape): SpareKind | null {
  const codec = codecOf(column);
  if (column.identity !== null) {
    return null;
  }
  if (codec.kind === 'integer') {
    const half = 2n ** BigInt(codec.bits - 1);
    return codec.bits === 8 ? null : integerSpares(-half, half - 1n);
  }
  if (codec.kind === 'decimal') {
    return decimalSpares(codec);
  }
  if (codec.kind === 'uuid' || codec.kind === 'date') {
    return { kind: codec.kind };
  }
  if (codec.kind === 'timestamp' && codec.type === 'datetime2') {
    return { kind: 'timestamp', hasZone: false };
  }
  return codec.kind === 'text' ? textSpares(codec.maxLength ?? Infinity) : null;
}
