/**
 * What of a server's words may be shown. Messages of the family quote values
 * ("Incorrect integer value: 'x' for column…", "Duplicate entry 'x' for key…"),
 * so that only names are taken out of them, and the sentence is our own; a
 * message is shown whole only where its number is known to hold none.
 */
import { type ErrorCode, errorCodes } from '../../../failure/codes.ts';

/** The fields of an error of mysql2 that are looked at. */
export interface ServerError {
  readonly errno: number;
  readonly sqlState?: string;
  readonly sqlMessage?: string;
}

/** Their messages hold names of objects and accounts, sizes and nothing else. */
const harmless = new Set([
  1021, 1037, 1038, 1040, 1041, 1044, 1045, 1046, 1049, 1053, 1054, 1064, 1091,
  1114, 1118, 1129, 1130, 1135, 1136, 1142, 1143, 1146, 1152, 1153, 1158, 1159,
  1160, 1161, 1197, 1203, 1205, 1206, 1213, 1226, 1227, 1251, 1290, 1317, 1347,
  1370, 1412, 1461, 1524, 1615, 1665, 1698, 1785, 1786, 1787, 1792, 1820, 1836,
  1837, 1862, 1927, 1932, 1969, 3008, 3024, 3105, 3118, 3159, 3169, 3572, 3750,
  4031, 4061, 4151, 6575,
]);

/**
 * How these begin at either server. SIGNAL may put any words behind any number,
 * and nothing else tells it from the server; in another language of the server
 * the number has to do.
 */
const serversWords = new RegExp(
  `^(?:${[
    'Aborted connection ',
    'Access denied',
    "Can't (?:DROP|create)",
    'Cannot execute statement',
    'Client does not support authentication protocol',
    "Column count doesn't match value count at row \\d+$",
    'Connection was killed',
    'Connections using insecure transport are prohibited',
    'Deadlock found when trying to get lock',
    'Disk full \\(',
    'Foreign key cascade delete/update exceeds max ',
    'Got (?:a packet bigger|an error|timeout) (?:than|reading|writing) ',
    "Host '",
    'Lock wait timeout exceeded',
    'Multi-(?:statement transaction|row statements) required more than',
    'No database selected$',
    'Out of (?:sort )?memory',
    "Plugin '[^']*' is not loaded$",
    'Prepared statement (?:needs to be re-prepared|contains)',
    'Query execution was interrupted',
    'Row size too large',
    'Running in read-only mode',
    'Server shutdown in progress',
    'Statement (?:aborted because|violates GTID)',
    "Table '[^']*' doesn't exist",
    'Table definition has changed',
    'The (?:MySQL|MariaDB) server is running with the --',
    'The (?:client was disconnected|session was killed)',
    "The table '[^']*' is full$",
    'The total number of locks exceeds',
    "The value specified for generated column '[^']*' in table '[^']*' ",
    'Too many connections$',
    'Unable to create or change a table without a primary key',
    "Unknown (?:column|database) '[^']*'",
    "User '?\\S+ (?:has exceeded|already has more)",
    'When @@SESSION\\.GTID_NEXT',
    'You (?:have an error in your SQL syntax|must )',
    'Your password has expired',
    '[A-Z][A-Z, ]+ command denied to user ',
    "'[^']*' is not ",
  ].join('|')})`,
  'i',
);

export function describe(error: ServerError, code: ErrorCode): string {
  const message = error.sqlMessage ?? '';
  // A trigger may signal any number, with any words.
  const isSignal = error.errno === 1644 || error.sqlState === '45000';
  const isHarmless =
    !isSignal && harmless.has(error.errno) && serversWords.test(message);
  const place = isHarmless || isSignal ? null : placeIn(message);
  const what = isHarmless
    ? // A syntax error quotes the statement, which may hold literals.
      message.replace(/ near '[\s\S]*$/, '')
    : isSignal
      ? 'a trigger or procedure refused the row'
      : errorCodes[code].meaning;
  return `${what} (error ${error.errno}${place === null ? '' : `, ${place}`})`;
}

/**
 * The name of a column, key or constraint. Values stand before it, in quotes
 * that are not escaped: what is taken is the last one, to the message's end.
 */
function placeIn(message: string): string | null {
  const column =
    /[Cc]olumn ((?:`[^`]*`\.){0,2}[`'][^`']*[`'])(?: at row \d+| cannot be null|)$/.exec(
      message,
    ) ??
    /^Column ('[^']*') cannot be null$/.exec(message) ??
    /^Field ('[^']*') doesn't have a default value$/.exec(message);
  if (column) {
    return `column ${column[1]!.split('.').at(-1)!.replaceAll(/[`']/g, '')}`;
  }
  const key = / for key '([^']*)'$/.exec(message);
  if (key) {
    return `key ${key[1]}`;
  }
  const constraint =
    /^Check constraint '([^']*)' is violated\.?$/.exec(message) ??
    /^CONSTRAINT `([^`]*)` failed for `[^`]*`\.`[^`]*`$/.exec(message) ??
    /CONSTRAINT `([^`]*)` FOREIGN KEY/.exec(message);
  return constraint ? `constraint ${constraint[1]}` : null;
}
