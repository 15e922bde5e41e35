/** One log record as a line for people. */

const levelNames: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
};

/** Printed on their own, or of no use on one machine. */
const framed = new Set(['level', 'time', 'msg', 'err']);

/**
 * `2026-11-21T02:45:07.123Z INFO  staged  schema=db.public rows=3`. A stack
 * follows on lines of its own, indented, so that a line at the left margin
 * is always a record.
 */
export function textLine(record: Readonly<Record<string, unknown>>): string {
  const time = printTime(record['time']);
  const level = levelNames[Number(record['level'])] ?? String(record['level']);
  let line = `${time} ${level} ${singleLine(printMessage(record['msg']))}`;
  for (const [name, value] of Object.entries(record)) {
    if (!framed.has(name) && value !== undefined) {
      line += ` ${name}=${printValue(value)}`;
    }
  }
  const error = record['err'];
  if (typeof error === 'object' && error !== null) {
    line += errorText(error as Readonly<Record<string, unknown>>);
  }
  return `${line}\n`;
}

/** A field of that name must not make the line's own time unreadable. */
function printTime(time: unknown): string {
  const at = new Date(Number(time));
  return Number.isNaN(at.getTime())
    ? new Date().toISOString()
    : at.toISOString();
}

function errorText(error: Readonly<Record<string, unknown>>): string {
  const code = typeof error['code'] === 'string' ? `${error['code']} ` : '';
  const message = `${code}${String(error['message'])}`;
  let text = ` error=${singleLine(JSON.stringify(message))}`;
  for (const name of ['cause', 'remedy']) {
    if (error[name] !== undefined) {
      text += ` ${name}=${singleLine(JSON.stringify(error[name]))}`;
    }
  }
  const stack = typeof error['stack'] === 'string' ? error['stack'] : '';
  const frames = stack.match(/^\s+at .*$/gm) ?? [];
  return text + frames.map((frame) => `\n${singleFrame(frame)}`).join('');
}

function singleFrame(frame: string): string {
  return `    ${singleLine(frame.trim())}`;
}

function printMessage(message: unknown): string {
  return typeof message === 'string' ? message : '';
}

function printValue(value: unknown): string {
  if (typeof value === 'string') {
    return /^[^\s"=\u0000-\u001f\u007f-\u009f]+$/.test(value)
      ? value
      : singleLine(JSON.stringify(value));
  }
  return singleLine(JSON.stringify(value) ?? String(value));
}

/** What a stranger sent must not be able to forge a line of its own. */
function singleLine(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
