/**
 * What of a foreign error may be shown: drivers and the engine quote values in
 * their messages, and values of rows belong to the trace level alone.
 */

/** A line without row data, whoever made the error. */
export function shownMessage(error: unknown): string {
  if (!(error instanceof Error)) {
    return typeof error === 'string' ? error : 'no error was given';
  }
  const answer = answerOf(error);
  return answer === null
    ? withoutQuotation(error)
    : `${answer} (its words at trace level: -v -v)`;
}

/**
 * The frames of a stack below a message that may be shown, instead of the one
 * within; undefined where there are none.
 */
export function shownStack(
  error: Error,
  message = shownMessage(error),
): string | undefined {
  const stack = error.stack ?? '';
  const start = stack.indexOf(error.message);
  const frames = stack
    .slice(start < 0 ? 0 : start + error.message.length)
    .match(/^\s+at .*$/gm);
  return frames === null
    ? undefined
    : [`${error.name}: ${message}`, ...frames].join('\n');
}

/** The code of a database's answer, by the fields that its driver sets. */
function answerOf(error: Error): string | null {
  const { severity, code, sqlState, errno, errorNum, number } = error as {
    readonly severity?: unknown;
    readonly code?: unknown;
    readonly sqlState?: unknown;
    readonly errno?: unknown;
    readonly errorNum?: unknown;
    readonly number?: unknown;
  };
  if (typeof severity === 'string' && typeof code === 'string') {
    return `SQLSTATE ${code}`;
  }
  if (typeof sqlState === 'string') {
    return `error ${String(errno)} (SQLSTATE ${sqlState})`;
  }
  if (typeof errorNum === 'number' && errorNum > 0) {
    return `ORA-${errorNum}`;
  }
  return typeof number === 'number' ? `error ${number}` : null;
}

/** The engine quotes the text that it cannot read. */
function withoutQuotation(error: Error): string {
  if (!(error instanceof SyntaxError)) {
    return error.message;
  }
  return / JSON\b/.test(error.message)
    ? 'a text is not valid JSON'
    : /BigInt/.test(error.message)
      ? 'a text is not a whole number'
      : 'a text cannot be read';
}
