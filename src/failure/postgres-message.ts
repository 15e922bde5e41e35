/**
 * What of the words of a PostgreSQL server may be shown, be it target, staging
 * or source.
 *
 * Its `detail` and `hint` never. Its message where whoever wrote it cannot
 * have put row data into it, gone through by class in the server's catalogue
 * of messages; otherwise our own sentence for the code. Names of tables,
 * columns, constraints and functions are always shown.
 */
import { type ErrorCode, errorCodes } from './codes.ts';

/** The fields of a PostgreSQL error that are looked at. */
export interface ServerError {
  readonly code: string;
  readonly severity?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly dataType?: string;
  /** A place in the text of our statement, which names things and holds no values. */
  readonly position?: string;
  /** The calls around it, innermost first: of functions, triggers, statements in them. */
  readonly where?: string;
  /** The file and the function of the server's source that raised it. */
  readonly file?: string;
  readonly routine?: string;
}

/**
 * SQLSTATEs and classes whose messages are fixed texts or hold only names of
 * objects, roles and files, and numbers of pages and seconds. Not here are
 *
 *   0A  quotes units of time that a generated column asks for
 *   22  quotes the value; see `valueMessages`
 *   42  of a regclass, regtype or tsquery value that cannot be read, in full;
 *       of our own statement only with a position
 *   54  quotes words that are too long for a tsquery; see `valueMessages`
 *   55P04 quotes a label of an enum
 *   38, 39, HV, P0, XX000 and what is not known: written by extensions and functions
 */
const harmless =
  /^(08...|21000|23...|25...|26000|28...|3D000|40...|42501|42804|42809|428C9|42P10|44000|53...|54001|5500[06]|55P03|57...|58030|XX00[12])$/;

/** Beginnings and whole messages that end before the value. */
const valueMessages: readonly RegExp[] = [
  /^invalid input syntax for type [^:]+/,
  /^invalid input value for enum [^:]+/,
  /^value too long for type [\w ]+\(\d+\)$/,
  /^bit string (too long for type bit varying|length \d+ does not match type bit)\(\d+\)$/,
  /^(smallint|integer|bigint|date|timestamp|interval|money|OID) out of range$/,
  /^numeric field overflow$/,
  /^date\/time field value out of range/,
  /^malformed (array|range|record) literal/,
  /^cached plan must not change result type$/,
  /^index row size \d+ exceeds/,
  /^index row requires \d+ bytes, maximum size is \d+$/,
  /^row is too big: size \d+, maximum size \d+$/,
];

/** The failure in a sentence without row data, with what is named in it. */
export function describeAnswer(
  error: Error & ServerError,
  code: ErrorCode,
): string {
  const routine = functionName(error.where);
  // RAISE … USING may put anything where names belong.
  const { table, column, constraint, dataType } = isRaised(error) ? {} : error;
  const place = [
    routine && `function ${routine}`,
    table && `table ${table}`,
    column && `column ${column}`,
    constraint && `constraint ${constraint}`,
    dataType && `type ${dataType}`,
  ].filter(Boolean);
  const what = harmlessMessage(error) ?? ownSentence(error, code);
  return `${what} (SQLSTATE ${error.code}${place.length > 0 ? `, ${place.join(', ')}` : ''})`;
}

/**
 * The same of a source: what it says of slots, publications and our questions
 * to its catalog holds no rows. While it decodes, row filters and the output
 * functions of types may quote what they were given.
 */
export function describeSourceAnswer(
  error: Error & ServerError,
  code: ErrorCode,
): string {
  const { message, where } = error;
  const isOwn =
    !isRaised(error) && (where === undefined || where.startsWith('slot "'));
  return isOwn && /^(0A|42|55)/.test(error.code)
    ? `${message} (SQLSTATE ${error.code})`
    : describeAnswer(error, code);
}

function harmlessMessage(error: Error & ServerError): string | null {
  if (!isServersOwn(error)) {
    return null;
  }
  const { message, code, position } = error;
  if (
    harmless.test(code) ||
    (code.startsWith('42') && position !== undefined)
  ) {
    return message;
  }
  const outOfRange = /" (is out of range for type [a-z ]+)$/.exec(message);
  return outOfRange
    ? `a value ${outOfRange[1]!}`
    : (valueMessages.map((each) => each.exec(message)?.[0]).find(Boolean) ??
        null);
}

/** Whether the server spoke by itself, and not a function that it ran. */
function isServersOwn(error: ServerError): boolean {
  const { where } = error;
  return (
    !isRaised(error) &&
    (where === undefined || /^(JSON data|(unnamed )?portal )/.test(where))
  );
}

/** By PL/pgSQL; other languages say so by their codes. */
function isRaised({ routine }: ServerError): boolean {
  return routine === 'exec_stmt_raise';
}

function ownSentence(error: ServerError, ours: ErrorCode): string {
  const { code, where } = error;
  return isRaised(error) || /^(P0|38|39)/.test(code)
    ? 'a trigger or function refused the row'
    : `${errorCodes[ours].meaning}${where !== undefined && functionName(where) ? ', inside a trigger or function' : ''}`;
}

/** Of the outermost call, whose line holds no statement and so no values. */
function functionName(where: string | undefined): string | undefined {
  return /^(?:PL\/\w+|SQL) function ("(?:[^"]|"")+"|[\w.$]+)/.exec(
    where?.split('\n').at(-1) ?? '',
  )?.[1];
}
