/**
 * What of a server's words may be shown.
 *
 * SQL Server puts values into its messages: the duplicate key of 2627, the
 * truncated text of 2628, the text that 245 cannot convert. Shown are numbers,
 * and of a message only names of objects, found by the words around them; the
 * rest is our own sentence.
 */
import { type ErrorCode, errorCodes } from '../../../failure/codes.ts';

/** The fields of a tedious error that are looked at. */
export interface ServerError {
  readonly number: number;
  readonly message: string;
  /** Severity: 11 to 16 the user's, from 20 on the session ends. */
  readonly class?: number;
  readonly procName?: string;
}

/**
 * Numbers whose messages are fixed texts, or hold only names of objects,
 * databases and accounts and numbers of pages and sessions.
 */
const harmless = new Set([
  207, 208, 213, 229, 230, 233, 262, 272, 297, 300, 334, 468, 544, 545, 547,
  515, 615, 651, 701, 924, 945, 955, 976, 978, 979, 981, 982, 983, 988, 916,
  1088, 1105, 1204, 1205, 1222, 2760, 2812, 3906, 3930, 3960, 3961, 4060, 8101,
  8102, 8106, 8107, 8134, 8152, 8622, 8645, 9002, 18456, 40501, 40613, 40197,
  10928, 10929, 49918, 49919, 49920,
]);

/** Beginnings that end before the value, or whole messages. */
const valueMessages: Readonly<Record<number, RegExp>> = {
  2601: /^Cannot insert duplicate key row in object '[^']*' with unique index '[^']*'/,
  2627: /^Violation of (?:PRIMARY KEY|UNIQUE KEY) constraint '[^']*'\. Cannot insert duplicate key in object '[^']*'/,
  2628: /^String or binary data would be truncated in table '[^']*', column '[^']*'/,
  220: /^Arithmetic overflow error for data type \w+/,
  232: /^Arithmetic overflow error for type \w+/,
  241: /^Conversion failed when converting date and\/or time from character string/,
  242: /^The conversion of a \w+ data type to a \w+ data type resulted in an out-of-range value/,
  244: /^The conversion of the n?varchar value/,
  245: /^Conversion failed when converting the n?varchar value/,
  248: /^The conversion of the n?varchar value/,
  8114: /^Error converting data type \w+ to \w+/,
  8115: /^Arithmetic overflow error converting [\w ]+ to data type \w+/,
  8169: /^Conversion failed when converting from a character string to uniqueidentifier/,
};

export function describe(
  { number, message, procName }: ServerError,
  code: ErrorCode,
): string {
  const what = harmless.has(number)
    ? firstLine(message)
    : (valueMessages[number]?.exec(message)?.[0] ?? ownSentence(number, code));
  const place =
    procName !== undefined && procName !== '' ? `, in ${procName}` : '';
  return `${what} (error ${number}${place})`;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!;
}

function ownSentence(number: number, code: ErrorCode): string {
  return number >= 50_000 && code === 'E4005'
    ? 'a trigger or procedure refused the row'
    : errorCodes[code].meaning;
}
