import { columnCodec } from '../../../../src/target/oracle/values/column-codec.ts';
import { valueWriter } from '../../../../src/target/oracle/values/values.ts';
import { UnstorableValue } from '../../../../src/target/value-policy.ts';
import { registerRefusals } from '../../../contract/types.ts';
import { oracleTypes } from '../../../contract/types-oracle.ts';
import { column } from '../shapes.ts';

registerRefusals(oracleTypes, (type, token) => {
  const writer = valueWriter(column('V', codecOf(type)), 'error');
  try {
    writer.bound(writer.text(token));
    return null;
  } catch (error) {
    if (!(error instanceof UnstorableValue)) {
      throw error;
    }
    return error;
  }
});

/** As introspect.ts makes it of what the catalog says of such a column. */
function codecOf(type: string): ReturnType<typeof columnCodec> {
  const [plain] = type.split(' check ');
  const [, name, first, second] =
    /^(\w+)(?:\((\d+)(?:,(\d+))?(?: char)?\))?/.exec(plain!)!;
  const isText = plain!.endsWith(' char)');
  const takesDigits = name === 'number' && first !== undefined;
  return columnCodec(
    {
      data_type:
        isText || name === 'number' || name === 'raw'
          ? name!.toUpperCase()
          : plain!.toUpperCase(),
      data_length: String(isText ? Number(first) * 4 : (first ?? 4000)),
      char_length: first ?? null,
      char_used: 'C',
      data_precision: takesDigits ? first : null,
      data_scale: takesDigits ? (second ?? '0') : null,
      json_format: type.includes('is json') ? 'TEXT' : null,
    },
    { characterSet: 'AL32UTF8', checks: [] },
  );
}
