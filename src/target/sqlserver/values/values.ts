/**
 * JSON tokens to texts that SQL Server casts to the types of the columns,
 * without ever making numbers of digits.
 */
import { jsonString } from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape } from '../../target.ts';
import {
  settleUnstorable,
  UnstorableValue,
  type ValuePolicies,
} from '../../value-policy.ts';
import { codecOf, type SqlServerCodec } from './codec.ts';
import { newWriter } from './value-writers.ts';
import type { Writer } from './writer.ts';
import type { ColumnarRows } from '../../values/column-texts.ts';

/** `[["1","a"],["2",null]]`: the parameter of every statement. */
export function rowsParameter(
  { table, columns, values, rowCount }: ColumnarRows,
  policies: ValuePolicies,
): string {
  const { texts } = values;
  const writers = columns.map(writerOf);
  const keyOf = (row: number) => (): JsonText[] =>
    table.primaryKey.map((column) => texts[columns.indexOf(column)]![row]!);
  let text = '[';
  for (let row = 0; row < rowCount; row++) {
    text += row === 0 ? '[' : ',[';
    for (let index = 0; index < columns.length; index++) {
      if (index > 0) {
        text += ',';
      }
      const token = texts[index]![row]!;
      try {
        text += writeToken(writers[index]!, token);
      } catch (error) {
        if (!(error instanceof UnstorableValue)) {
          throw error;
        }
        const settled = settleUnstorable(
          nearestStorable(writers[index]!, error),
          { table, column: columns[index]!, keyOf: keyOf(row) },
          policies,
        );
        text +=
          settled === null
            ? 'null'
            : JSON.stringify(writers[index]!.wire(settled));
      }
    }
    text += ']';
  }
  return `${text}]`;
}

/** What is nearest to one check may lie between two values of the type. */
function nearestStorable(
  writer: Writer,
  refusal: UnstorableValue,
): UnstorableValue {
  let { clamped } = refusal;
  for (let step = 0; clamped !== null && step < 3; step++) {
    try {
      writer.wire(clamped);
      return new UnstorableValue(refusal.message, clamped);
    } catch (error) {
      if (!(error instanceof UnstorableValue)) {
        throw error;
      }
      clamped = error.clamped;
    }
  }
  return new UnstorableValue(refusal.message);
}

const writers = new WeakMap<ColumnShape, Writer>();

function writerOf(column: ColumnShape): Writer {
  let writer = writers.get(column);
  if (!writer) {
    writer = newWriter(codecOf(column));
    writers.set(column, writer);
  }
  return writer;
}

const lowerN = 0x6e;
const quote = 0x22;

function writeToken(writer: Writer, token: JsonText): string {
  if (token.charCodeAt(0) === lowerN) {
    return 'null';
  }
  if (writer.isPlain?.(token)) {
    return token;
  }
  const text = writer.text?.(token) ?? ordinaryText(token);
  return JSON.stringify(writer.wire(text));
}

function ordinaryText(token: JsonText): string {
  return token.charCodeAt(0) === quote ? jsonString(token) : token;
}

/** The text that the server is sent for this value; null is SQL NULL. */
export function columnText(
  codec: SqlServerCodec,
  token: JsonText,
): string | null {
  const written = JSON.parse(writeToken(newWriter(codec), token)) as
    | string
    | null;
  return written;
}
