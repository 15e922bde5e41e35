/** An error message of the protocol: fields of a letter and a text. */
export class ServerError extends Error {
  /** SQLSTATE. */
  readonly code: string;
  readonly severity: string;

  constructor(code: string, severity: string, message: string) {
    super(message);
    this.code = code;
    this.severity = severity;
  }
}

/** Reads the body of an ErrorResponse. */
export function serverError(body: Buffer): ServerError {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) {
      break;
    }
    fields.set(
      String.fromCharCode(body[at]!),
      body.toString('utf8', at + 1, end),
    );
    at = end + 1;
  }
  return new ServerError(
    fields.get('C') ?? 'XX000',
    fields.get('S') ?? 'ERROR',
    [fields.get('M') ?? 'no message', fields.get('D')]
      .filter((part) => part !== undefined)
      .join(': '),
  );
}
