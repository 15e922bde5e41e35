import {
  columnType,
  type TypeRow,
} from '../../../../src/target/sqlserver/values/column-types.ts';
import type { SqlServerCodec } from '../../../../src/target/sqlserver/values/codec.ts';
import { columnText } from '../../../../src/target/sqlserver/values/values.ts';
import { UnstorableValue } from '../../../../src/target/value-policy.ts';
import { registerRefusals } from '../../../contract/types.ts';
import { sqlserverTypes } from '../../../contract/types-sqlserver.ts';

registerRefusals(sqlserverTypes, (column, token) => {
  try {
    columnText(codecOf(column), token);
    return null;
  } catch (error) {
    if (!(error instanceof UnstorableValue)) {
      throw error;
    }
    return error;
  }
});

/** As introspect.ts makes it of what the catalog says of such a column. */
function codecOf(column: string): SqlServerCodec {
  const [, name, first, second] = /^(\w+)(?:\((\w+)(?:,(\d+))?\))?/.exec(
    column,
  )!;
  const length = first === 'max' ? -1 : Number(first);
  const row: TypeRow = {
    type_name: name!,
    max_length: name!.startsWith('n') && length > 0 ? 2 * length : length,
    precision: Number(first),
    // Of a time the digits of its second.
    scale: Number(second ?? first),
    collation_name: 'Latin1_General_100_BIN2',
    code_page: 1252,
  };
  const { codec } = columnType(row);
  return column.includes('isjson') && codec.kind === 'text'
    ? { kind: 'json', text: codec }
    : codec;
}
