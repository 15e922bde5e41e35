/**
 * What SQL Server's error numbers, tedious' codes and the socket's errors mean
 * for us. Data; test/target/sqlserver/errors.*.test.ts.
 */
import { isCertificateRefusal } from '../../../config/address/tls.ts';
import type { ErrorCode } from '../../../failure/codes.ts';
import { isAbort, ReplicatorError } from '../../../failure/failure.ts';
import { describe, type ServerError } from './server-message.ts';
import { ownErrors } from '../statements/statements.ts';

export const errorNumbers: Readonly<Record<number, ErrorCode>> = {
  // Somebody else was in the way; the transaction is gone, not the connection.
  1204: 'E4010', // no more locks can be had
  1205: 'E4003', // deadlock victim
  1222: 'E4003', // lock request time out
  3960: 'E4003', // snapshot update conflict
  3961: 'E4003', // snapshot: the table's definition has changed
  3935: 'E4003', // a resource was short: to be tried again, it says
  3930: 'E4003', // the transaction is doomed
  3971: 'E4003', // the server failed to resume the transaction
  3989: 'E4003', // no valid transaction descriptor
  3998: 'E4003', // an uncommittable transaction was rolled back
  3902: 'E4003', // COMMIT without BEGIN: it was rolled back before
  8628: 'E4003', // waited too long for a plan
  8645: 'E4003', // waited too long for memory
  13535: 'E4003', // temporal: the row was changed after this transaction began
  // The server or the way to it.
  40613: 'E4001', // Azure: the database is not available now
  40197: 'E4002', // Azure: the service failed over
  40143: 'E4002',
  42108: 'E4001', // Azure: paused
  4221: 'E4001', // the replica waits for row versions
  926: 'E4001', // database is suspect
  942: 'E4001', // offline
  927: 'E4001', // being restored
  921: 'E4001', // not recovered yet
  922: 'E4001', // being recovered
  952: 'E4001', // in transition
  615: 'E4001', // the database is not found any more: offline or detached
  924: 'E4001', // open for one user alone
  945: 'E4001', // files or memory are missing
  955: 'E4001', // no quorum
  976: 'E4001', // availability replica: not open for queries
  978: 'E4001', // only for readers
  979: 'E4001',
  981: 'E4001', // its version cannot be upgraded yet
  982: 'E4001', // not for readers either
  983: 'E4001', // not primary or secondary now
  988: 'E4001', // no quorum
  596: 'E4002', // the session is killed
  6005: 'E4002', // shutdown is in progress
  17142: 'E4001', // paused
  // Rows.
  2601: 'E4013', // unique index
  2627: 'E4013', // unique constraint or primary key
  [ownErrors.keysCollide]: 'E4013',
  [ownErrors.rewriteRefused]: 'E4005',
  [ownErrors.watermarkNotMoved]: 'E4009',
  515: 'E4005', // not null
  233: 'E4005', // not null, in older words
  550: 'E4005', // a view's WITH CHECK OPTION
  3609: 'E4005', // a trigger ended the transaction
  3616: 'E4005',
  220: 'E4006', // arithmetic overflow for a small type
  232: 'E4006',
  234: 'E4006',
  235: 'E4006', // money
  236: 'E4006',
  237: 'E4006',
  241: 'E4006', // date or time from text
  242: 'E4006', // out of range
  244: 'E4006', // overflowed an int2
  245: 'E4006', // conversion
  248: 'E4006', // overflowed an int4
  257: 'E4011', // no implicit conversion: the column has another type now
  260: 'E4011',
  272: 'E4011', // update of a timestamp column
  273: 'E4011', // a timestamp column
  271: 'E4011', // a computed column
  206: 'E4011', // operand type clash
  293: 'E4006',
  294: 'E4006',
  295: 'E4006', // smalldatetime
  296: 'E4006',
  517: 'E4006',
  529: 'E4011', // no explicit conversion
  535: 'E4006',
  1919: 'E4011',
  1946: 'E4006', // index entry too long
  1701: 'E4006',
  511: 'E4006', // row longer than 8060 bytes
  2628: 'E4006', // would be truncated, with the value
  8152: 'E4006', // would be truncated
  4844: 'E4006',
  6522: 'E4006', // a spatial or hierarchyid text that cannot be read
  6569: 'E4006', // null where such a type takes none
  6574: 'E4006',
  6581: 'E4006',
  8114: 'E4006', // conversion
  8115: 'E4006', // arithmetic overflow
  8134: 'E4006', // divided by zero, in a computed column or check
  8169: 'E4006', // uniqueidentifier
  9241: 'E4006',
  13609: 'E4008', // our JSON is not well formed
  // Rights.
  229: 'E4007',
  230: 'E4007',
  262: 'E4007',
  297: 'E4007',
  300: 'E4007',
  15247: 'E4007',
  1088: 'E4007', // IDENTITY_INSERT: not there, or no ALTER on it
  2760: 'E4007',
  4060: 'E4015', // cannot open the database
  916: 'E4015',
  4062: 'E4015',
  4064: 'E4015',
  18401: 'E4001', // script upgrade mode: not yet
  18451: 'E4001', // shutting down
  18452: 'E4015',
  18456: 'E4015',
  18470: 'E4015', // account disabled
  18486: 'E4015', // locked out
  18487: 'E4015',
  18488: 'E4015', // password expired
  40532: 'E4015',
  40615: 'E4015', // Azure firewall
  47073: 'E4015',
  // Room.
  701: 'E4010', // memory
  802: 'E4010',
  1101: 'E4010',
  1105: 'E4010', // filegroup full
  3906: 'E4010', // read-only database
  3908: 'E4010',
  3958: 'E4010',
  3959: 'E4010',
  3966: 'E4010', // version store
  5149: 'E4010',
  5901: 'E4010',
  8651: 'E4010',
  8902: 'E4010',
  9002: 'E4010', // transaction log full
  10928: 'E4010', // Azure: resource limit
  10929: 'E4010',
  10930: 'E4010',
  10936: 'E4010',
  17300: 'E4010',
  17809: 'E4010', // too many connections
  17810: 'E4010',
  40501: 'E4010', // Azure: busy
  40544: 'E4010', // Azure: size quota
  40549: 'E4010',
  40551: 'E4010',
  40552: 'E4010',
  40553: 'E4010',
  49918: 'E4010',
  49919: 'E4010',
  49920: 'E4010',
  // The catalog is not what it was when the statement was written.
  207: 'E4011', // column
  208: 'E4011', // object
  213: 'E4011', // number of columns
  264: 'E4011',
  334: 'E4008', // OUTPUT without INTO on a table with triggers
  468: 'E4011', // collation conflict
  544: 'E4011', // IDENTITY_INSERT is off
  545: 'E4008', // NOT FOR REPLICATION, and no value comes for it
  2812: 'E4011',
  4902: 'E4011',
  4922: 'E4011',
  8101: 'E4011',
  8102: 'E4011', // update of an identity column
  8106: 'E4011', // has no identity any more
  8107: 'E4008', // IDENTITY_INSERT is on for another table
  8197: 'E4011',
  651: 'E4008', // the table allows no row locks
  8622: 'E4008', // no plan with our hints
  13536: 'E4011', // GENERATED ALWAYS
  13537: 'E4011',
};

const socketErrors: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'E4001',
  ENOTFOUND: 'E4001',
  EAI_AGAIN: 'E4001',
  EHOSTUNREACH: 'E4001',
  ENETUNREACH: 'E4001',
  ETIMEDOUT: 'E4001',
  ECONNRESET: 'E4002',
  EPIPE: 'E4002',
};

/** Which step failed: the same broken socket is a dial that failed or a loss. */
export type Phase = 'connect' | 'statement' | 'commit';

/** The failure in our words, without row data (server-message.ts). */
export function targetFailure(
  error: unknown,
  phase: Phase,
  /** `host:port/database`, where it was being dialled. */
  place?: string,
): Error {
  if (
    error instanceof ReplicatorError ||
    (error instanceof Error && isAbort(error))
  ) {
    return error;
  }
  if (!(error instanceof Error)) {
    return new ReplicatorError('E4008', {
      detail: 'the target failed without an error',
    });
  }
  const server = serverErrorOf(error);
  if (server) {
    return serverFailure(server, phase);
  }
  const code = (error as Error & { code?: string }).code;
  if (phase === 'connect') {
    return connectFailure(error, code, place);
  }
  // A commit that was given up may have happened: like one whose answer is lost.
  if (code === 'ETIMEOUT' && phase !== 'commit') {
    return new ReplicatorError('E4003', {
      detail: 'a statement took longer than --applyTimeout',
    });
  }
  if (code === 'ECANCEL' && phase !== 'commit') {
    return new ReplicatorError('E4003', {
      detail: 'a statement was cancelled',
    });
  }
  if (code === 'EPARAM') {
    return new ReplicatorError('E4008', {
      detail: 'the driver refused a parameter',
      cause: error,
    });
  }
  // Whatever else tedious says, the connection is gone then.
  return new ReplicatorError('E4002', {
    detail: `the connection to the target was lost ${phase === 'commit' ? 'during commit' : 'in a transaction'}`,
  });
}

/** Of several errors of one statement the first is the cause. */
export function serverErrorOf(error: unknown): (Error & ServerError) | null {
  if (error instanceof AggregateError) {
    const all = (error.errors as unknown[])
      .map(serverErrorOf)
      .filter((each) => each !== null);
    return all.find(({ number }) => isKnown(number)) ?? all[0] ?? null;
  }
  return error instanceof Error &&
    typeof (error as Error & { number?: unknown }).number === 'number'
    ? (error as Error & ServerError)
    : null;
}

function isKnown(number: number): boolean {
  return (
    number in errorNumbers ||
    number === constraintViolated ||
    isAboutXml(number)
  );
}

const constraintViolated = 547;

export function serverErrorCode(
  { number, message }: ServerError,
  phase: Phase = 'statement',
): ErrorCode {
  if (number === constraintViolated) {
    // One number for foreign keys and checks; only the words tell them apart.
    return /\b(?:FOREIGN KEY|REFERENCE|foreign key)\b/.test(message)
      ? 'E4004'
      : 'E4005';
  }
  return (
    errorNumbers[number] ??
    (isAboutXml(number) ? 'E4006' : unknownCode(number, phase))
  );
}

/** XML that cannot be parsed, or that the column's schema does not allow. */
function isAboutXml(number: number): boolean {
  return (
    (number >= 9400 && number <= 9499) || (number >= 6900 && number <= 6999)
  );
}

function unknownCode(number: number, phase: Phase): ErrorCode {
  if (phase === 'connect') {
    return 'E4015';
  }
  return isFromTrigger(number) ? 'E4005' : 'E4008';
}

/** What THROW and RAISERROR of the users' own code say. */
function isFromTrigger(number: number): boolean {
  return number >= 50_000 && number < babelfishUnknown;
}

/** Babelfish's one number for whatever it has no number for. */
const babelfishUnknown = 33_557_097;

function serverFailure(
  error: Error & ServerError,
  phase: Phase,
): ReplicatorError {
  // From 20 on the server ends the session.
  const isFatal = (error.class ?? 0) >= 20 && !(error.number in errorNumbers);
  const code = isFatal
    ? phase === 'connect'
      ? 'E4001'
      : 'E4002'
    : serverErrorCode(error, phase);
  return new ReplicatorError(code, {
    detail: describe(error, code),
    ...remedyOf(error.number),
  });
}

function remedyOf(number: number): { remedy?: string } {
  switch (number) {
    case 545:
      return {
        remedy:
          'the source has no value for this identity column: ALTER TABLE ... ALTER COLUMN ... DROP NOT FOR REPLICATION; where a trigger inserts into it, mark the trigger NOT FOR REPLICATION',
      };
    case 651:
      return {
        remedy: 'ALTER INDEX ALL ON ... SET (ALLOW_ROW_LOCKS = ON)',
      };
    case 4060:
      return {
        remedy:
          'check the database in --targetConn and that the account may open it, unless it is just being started or moved: the daemon tries again by itself',
      };
    default:
      return {};
  }
}

function connectFailure(
  error: Error,
  code: string | undefined,
  place: string | undefined,
): ReplicatorError {
  const target = place === undefined ? 'the target' : `the target ${place}`;
  const { cause } = error;
  const inner = cause instanceof Error ? cause : error;
  const innerCode = (inner as Error & { code?: string }).code;
  if (code === 'EENCRYPT') {
    return new ReplicatorError('E4001', {
      detail: /requires encryption/.test(error.message)
        ? `${target} asks for TLS, which the sslmode in its address forbids`
        : `${target} has no TLS, which the sslmode in its address asks for`,
      remedy: 'use sslmode=prefer, or set the encryption at the server up',
    });
  }
  if (isCertificateRefusal(inner)) {
    return new ReplicatorError('E4015', {
      detail: `the certificate of the target is not accepted (${innerCode})`,
      remedy:
        'name its CA with sslrootcert in the address, or correct the host name',
    });
  }
  if (code === 'ELOGIN') {
    return new ReplicatorError('E4015', {
      detail: `${target} refused the login`,
    });
  }
  return new ReplicatorError(
    (code === 'ETIMEOUT' ? 'E4001' : socketErrors[innerCode ?? '']) ?? 'E4001',
    {
      detail: `${target} cannot be reached (${innerCode ?? code ?? 'no answer'})`,
    },
  );
}
