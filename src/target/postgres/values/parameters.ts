/** Rows as bound parameters: one array for each column. */
import { type ColumnarRows, rowKey } from '../../values/column-texts.ts';
import { settleUnstorable, type ValuePolicies } from '../../value-policy.ts';
import { codecOf } from './codec.ts';
import { arrayLiteral } from './values.ts';

/** Throws E4006 for a value that does not fit and is not replaced by policy. */
export function rowParameters(
  rows: ColumnarRows,
  policies: ValuePolicies,
): string[] {
  const { table } = rows;
  return rows.columns.map((column, index) =>
    arrayLiteral(codecOf(column), rows.values[index]!, {
      strictness:
        policies.policyOf(table, column) === 'error' ? 'silent' : 'full',
      settle: (refusal, row) =>
        settleUnstorable(
          refusal,
          { table, column, keyOf: () => rowKey(rows, row) },
          policies,
        ),
    }),
  );
}
