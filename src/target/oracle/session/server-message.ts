/**
 * What of Oracle's words may be shown.
 *
 * A message has lines, one for each error, the outermost first; from 23ai on
 * further lines quote values of the row, and messages about conversions quote
 * the value itself. So of the lines only the one that counts is looked at, and
 * of that only what is known to be fixed text or names; otherwise our own
 * sentence for the code. Names of tables, columns, constraints and triggers
 * are always shown.
 */
import { type ErrorCode, errorCodes } from '../../../failure/codes.ts';

/** The fields of the driver's error that are looked at. */
export interface ServerError {
  readonly errorNum: number;
  readonly message: string;
}

/** They only say that another error, in a line below, undid something. */
const wrappers = new Set([604, 2091, 12801]);

/**
 * Numbers whose first line is fixed text, or holds only names of objects,
 * files, roles and sizes.
 */
const harmless = new Set([
  1, 18, 20, 28, 31, 54, 60, 257, 372, 603, 904, 910, 913, 932, 942, 947, 1005,
  1012, 1013, 1017, 1031, 1033, 1034, 1045, 1089, 1090, 1092, 1109, 1400, 1401,
  1402, 1407, 1426, 1438, 1450, 1455, 1456, 1461, 1465, 1536, 1555, 1630, 1631,
  1632, 1652, 1653, 1654, 1655, 1691, 1720, 1747, 1873, 1918, 1950, 2049, 2290,
  2291, 2292, 2391, 2396, 2399, 3113, 3114, 3135, 4020, 4021, 4030, 4031, 4036,
  4043, 4063, 4091, 4098, 8103, 8176, 8177, 12081, 12153, 12170, 12505, 12514,
  12516, 12519, 12520, 12528, 12537, 12541, 12545, 12547, 12570, 12571, 12713,
  12757, 12899, 14400, 14402, 16000, 22835, 25401, 25402, 25405, 25408, 28000,
  28001, 28040, 28115, 30006, 30036, 32795, 32796, 38104, 41900, 54013, 54017,
]);

/** `ORA-00001: unique constraint (SHOP.ITEM_CODE) violated`, and no more. */
const linePattern = /^ORA-(\d{5,}): (.*)$/gm;
/** From 23ai on: columns and then values stand behind these words. */
const valuesBehind =
  / (?:on table|for column values|with column values|for inserted partition key)\b.*$/;
/** Likewise: `value 1234 greater than specified precision (3, 0) for column N`. */
const valueBefore = /^value .* (?=greater than specified precision\b)/;

interface Line {
  readonly number: number;
  readonly text: string;
}

/** The number of the error that counts. */
export function leadingNumber(error: ServerError): number {
  return leadingLine(error)?.number ?? error.errorNum;
}

function leadingLine(error: ServerError): Line | null {
  const lines = linesOf(error);
  return lines.find(({ number }) => !wrappers.has(number)) ?? lines[0] ?? null;
}

function linesOf({ message }: ServerError): Line[] {
  return [...message.matchAll(linePattern)].map(([, number, text]) => ({
    number: Number(number),
    text: text!,
  }));
}

export function describe(error: ServerError, code: ErrorCode): string {
  const line = leadingLine(error);
  const number = line?.number ?? error.errorNum;
  const trigger = triggerName(error);
  const place = [
    `ORA-${String(number).padStart(5, '0')}`,
    ...(trigger === null ? [] : [`trigger ${trigger}`]),
  ].join(', ');
  return `${shownText(line, trigger !== null) ?? ownSentence(number, code)} (${place})`;
}

function shownText(line: Line | null, isInTrigger: boolean): string | null {
  return line && harmless.has(line.number) && !isInTrigger
    ? line.text.replace(valuesBehind, '').replace(valueBefore, 'value ').trim()
    : null;
}

function ownSentence(number: number, code: ErrorCode): string {
  return number >= 20_000 && number <= 20_999
    ? 'a trigger or function refused the row'
    : errorCodes[code].meaning;
}

/** `ORA-04088: error during execution of trigger 'SHOP.ITEM_CHECK'`. */
function triggerName(error: ServerError): string | null {
  const line = linesOf(error).find(({ number }) => number === 4088);
  return /'([^']+)'/.exec(line?.text ?? '')?.[1] ?? null;
}
