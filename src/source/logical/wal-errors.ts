/** What a source says on the replication connection, as one of our failures. */
import type { ErrorCode } from '../../failure/codes.ts';
import { isAbort, ReplicatorError } from '../../failure/failure.ts';

/** An error message of the protocol: fields of a letter and a text. */
export class ServerError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
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
    [fields.get('M') ?? 'no message', fields.get('D')]
      .filter((part) => part !== undefined)
      .join(': '),
  );
}

/**
 * A lost connection passes (E6010); a slot that is held passes when its
 * holder goes (E6004); what is missing or broken does not.
 */
export function replicationFailure(
  error: unknown,
  slotName: string | null,
): unknown {
  if (error instanceof ReplicatorError || isAbort(error)) {
    return error;
  }
  const { code: state, message } = error as {
    code?: unknown;
    message?: string;
  };
  const said = message ?? String(error);
  const code =
    typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state)
      ? codeOf(state, said)
      : 'E6010';
  return new ReplicatorError(code, {
    detail: `${slotName === null ? 'the source' : `slot ${JSON.stringify(slotName)}`}: ${said}`,
    cause: error,
  });
}

function codeOf(state: string, message: string): ErrorCode {
  switch (state) {
    case '42704':
      return 'E6002';
    case '55006':
      return 'E6004';
    case '55000':
      // "can no longer get changes", "cannot read from … invalidated".
      return /can(?:not| no longer)/.test(message) ? 'E6003' : 'E6007';
    case '58P01':
      // "requested WAL segment … has already been removed".
      return 'E6003';
    case '42501':
    case '28000':
    case '28P01':
    case '3D000':
    case '0A000':
    case '22023':
      return 'E6007';
    default:
      return /^(?:08|53|57|40|58|XX)/.test(state) ? 'E6010' : 'E6007';
  }
}
