/**
 * What Oracle's error numbers (ORA) and the driver's (NJS) mean for us. Data,
 * from Oracle's error messages reference and the driver's source.
 */
import type { ErrorCode } from '../../../failure/codes.ts';
import { ReplicatorError, isAbort } from '../../../failure/failure.ts';
import { type ServerError, describe, leadingNumber } from './server-message.ts';

export const oraNumbers: Readonly<Record<number, ErrorCode>> = {
  // Somebody else was in the way; the transaction is gone, not the connection.
  54: 'E4003', // resource busy and NOWAIT or timeout expired
  60: 'E4003', // deadlock detected while waiting for resource
  1013: 'E4003', // user requested cancel: the timeout's break
  2049: 'E4003', // timeout: distributed transaction waiting for lock
  4020: 'E4003', // deadlock while trying to lock object (library cache)
  4021: 'E4003', // timeout while waiting to lock object
  4068: 'E4003', // existing state of packages has been discarded (a trigger's)
  8176: 'E4003', // consistent read failure
  8177: 'E4003', // can't serialize access for this transaction
  1555: 'E4003', // snapshot too old
  30006: 'E4003', // resource busy; acquire with WAIT timeout expired
  63300: 'E4003', // automatically rolled back: a transaction of higher priority waits
  63302: 'E4003', // must roll back, for the same reason
  // Rows.
  1: 'E4013', // unique constraint violated
  2291: 'E4004', // parent key not found
  2292: 'E4004', // child record found
  2266: 'E4004', // referenced by enabled foreign keys
  1400: 'E4005', // cannot insert NULL
  1402: 'E4005', // view WITH CHECK OPTION
  1407: 'E4005', // cannot update to NULL
  2290: 'E4005', // check constraint violated
  14300: 'E4005', // partitioning key is beyond the last partition there can be
  14400: 'E4005', // inserted partition key does not map to any partition
  14402: 'E4005', // updating partition key column would cause a partition change
  28115: 'E4005', // policy with check option violation
  32795: 'E4005', // insert into a generated always identity column
  32796: 'E4005', // update of one
  4088: 'E4005', // error during execution of trigger
  4091: 'E4005', // table is mutating, trigger may not see it
  6502: 'E4005', // numeric or value error: in a trigger, for we run no PL/SQL
  910: 'E4006', // specified length too long for its datatype
  1401: 'E4006', // inserted value too large
  1426: 'E4006', // numeric overflow
  1438: 'E4006', // value larger than specified precision
  1450: 'E4006', // maximum key length exceeded
  1455: 'E4006', // converting column overflows integer datatype
  1461: 'E4006', // can bind a LONG value only for insert into a LONG column
  1465: 'E4006', // invalid hex number
  1489: 'E4006', // result of string concatenation is too long
  1722: 'E4006', // invalid number
  1867: 'E4006', // the interval is invalid
  1873: 'E4006', // the leading precision of the interval is too small
  1874: 'E4006', // time zone hour must be between -15 and 15
  1875: 'E4006', // time zone minute
  1877: 'E4006', // string is too long for internal buffer
  1878: 'E4006', // specified field not found in datetime or interval
  1881: 'E4006', // timezone region ID is invalid
  1882: 'E4006', // timezone region not found
  12713: 'E4006', // character data loss in NCHAR/CHAR conversion
  12899: 'E4006', // value too large for column
  19011: 'E4006', // character string buffer too small (XML)
  19202: 'E4006', // error occurred in XML processing
  22835: 'E4006', // buffer too small for CLOB to CHAR conversion
  31011: 'E4006', // XML parsing failed
  31061: 'E4006', // special character in XML
  40441: 'E4006', // JSON syntax error
  40587: 'E4006', // invalid JSON type
  40596: 'E4006', // JSON syntax error, found in JSON_TABLE
  // Rights.
  1031: 'E4007', // insufficient privileges
  1720: 'E4007', // grant option does not exist
  1950: 'E4007', // no privileges on tablespace
  41900: 'E4007', // missing privilege (23ai)
  1004: 'E4015', // default username feature not supported
  1005: 'E4015', // null password given
  1017: 'E4015', // invalid username/password
  1045: 'E4015', // user lacks CREATE SESSION privilege
  1918: 'E4015', // user does not exist
  28000: 'E4015', // the account is locked
  28001: 'E4015', // the password has expired
  28040: 'E4015', // no matching authentication protocol
  // Room.
  18: 'E4010', // maximum number of sessions exceeded
  20: 'E4010', // maximum number of processes exceeded
  257: 'E4010', // archiver error: connect AS SYSDBA only
  1000: 'E4010', // maximum open cursors exceeded
  1536: 'E4010', // space quota exceeded for tablespace
  1630: 'E4010', // max # extents reached in temp segment
  1631: 'E4010', // max # extents reached in table
  1632: 'E4010', // max # extents reached in index
  1650: 'E4010', // unable to extend rollback segment
  1652: 'E4010', // unable to extend temp segment
  1653: 'E4010', // unable to extend table
  1654: 'E4010', // unable to extend index
  1655: 'E4010', // unable to extend cluster
  1658: 'E4010', // unable to create a segment
  1659: 'E4010', // unable to allocate a segment's first extents
  1683: 'E4010', // unable to extend index partition
  1688: 'E4010', // unable to extend table partition
  1691: 'E4010', // unable to extend lob segment
  1692: 'E4010', // unable to extend lob partition
  2391: 'E4010', // exceeded simultaneous SESSIONS_PER_USER limit
  4030: 'E4010', // out of process memory
  4031: 'E4010', // unable to allocate shared memory
  4036: 'E4010', // PGA memory exceeds PGA_AGGREGATE_LIMIT
  12516: 'E4010', // listener has no handler: processes are used up
  12519: 'E4010', // the same
  12520: 'E4010', // the same, for the type of server
  16000: 'E4010', // database or pluggable database open for read-only access
  30036: 'E4010', // unable to extend undo segment
  372: 'E4010', // file cannot be modified at this time (read-only tablespace)
  12081: 'E4010', // update operation not allowed on table: read-only
  1456: 'E4010', // may not perform insert/delete/update inside a READ ONLY transaction
  // The server or the way to it.
  28: 'E4002', // your session has been killed
  31: 'E4002', // session marked for kill
  603: 'E4002', // ORACLE server session terminated by fatal error
  1012: 'E4002', // not logged on
  1035: 'E4001', // open for those with RESTRICTED SESSION alone
  1033: 'E4001', // ORACLE initialization or shutdown in progress
  1034: 'E4001', // ORACLE not available
  1089: 'E4002', // immediate shutdown in progress
  1090: 'E4001', // shutdown in progress
  1092: 'E4002', // ORACLE instance terminated
  1109: 'E4001', // database not open
  1219: 'E4001', // database or pluggable database not open
  2396: 'E4002', // exceeded maximum idle time
  2399: 'E4002', // exceeded maximum connect time
  3113: 'E4002', // end-of-file on communication channel
  3114: 'E4002', // not connected to ORACLE
  3135: 'E4002', // connection lost contact
  12153: 'E4002', // TNS: not connected
  12170: 'E4001', // TNS: connect timeout
  12505: 'E4001', // listener does not know of SID
  12514: 'E4001', // listener does not know of service: also while it starts
  12521: 'E4001', // listener does not know of the instance
  12526: 'E4001', // all appropriate instances are in restricted mode
  12527: 'E4001', // the same, or block new connections
  12528: 'E4001', // all appropriate instances are blocking new connections
  12537: 'E4002', // TNS: connection closed
  12541: 'E4001', // TNS: no listener
  12545: 'E4001', // target host or object does not exist
  12547: 'E4002', // TNS: lost contact
  12570: 'E4002', // TNS: packet reader failure
  12571: 'E4002', // TNS: packet writer failure
  16456: 'E4001', // a switchover is in progress
  12757: 'E4001', // instance does not currently know of requested service
  25401: 'E4002', // can not continue fetches
  25402: 'E4002', // transaction must roll back (fail over)
  25405: 'E4002', // transaction status unknown
  25408: 'E4002', // can not safely replay call
  // The catalog is not what it was when the statement was written.
  904: 'E4011', // invalid identifier
  913: 'E4011', // too many values
  932: 'E4011', // inconsistent datatypes: a column has another type now
  942: 'E4011', // table or view does not exist, or every privilege on it is gone
  947: 'E4011', // not enough values
  1747: 'E4011', // invalid user.table.column specification
  4043: 'E4011', // object does not exist
  4063: 'E4011', // has errors (a view)
  4098: 'E4011', // trigger is invalid and failed re-validation
  8103: 'E4011', // object no longer exists
  12096: 'E4011', // error in materialized view log
  38104: 'E4011', // columns referenced in the ON clause cannot be updated
  54013: 'E4011', // INSERT on virtual columns
  54017: 'E4011', // UPDATE on virtual columns
};

/** The driver's own errors; what is not here is a fault of ours. */
export const njsCodes: Readonly<Record<string, ErrorCode>> = {
  'NJS-003': 'E4002', // invalid or closed connection
  'NJS-101': 'E4015', // credentials are missing
  'NJS-116': 'E4015', // password verifier of a kind that the driver lacks
  'NJS-123': 'E4003', // call timeout exceeded
  'NJS-138': 'E4014', // server version is not supported
  'NJS-500': 'E4002', // connection was closed or broken
  'NJS-501': 'E4002', // connection terminated unexpectedly
  'NJS-503': 'E4001', // connection could not be established
  'NJS-505': 'E4015', // TLS could not be set up with these certificates
  'NJS-506': 'E4015', // TLS handshake failure
  'NJS-507': 'E4015', // the certificate is another one's
  'NJS-508': 'E4015', // the certificate lacks the host's name
  'NJS-510': 'E4001', // timed out
  'NJS-511': 'E4001', // the listener refused
  'NJS-513': 'E4002', // told in-band that the connection ends
  'NJS-518': 'E4001', // the listener does not know of the service
  'NJS-519': 'E4001', // the listener does not know of the SID
  'NJS-521': 'E4002', // end of file on the connection
  'NJS-530': 'E4001', // the host is not known
  'NJS-533': 'E4015', // native network encryption is asked for
};

/** Which step failed: the same broken socket is a dial that failed or a loss. */
export type Phase = 'connect' | 'statement' | 'commit';

/** The failure in our words, without row data (server-message.ts). */
export function targetFailure(
  error: unknown,
  phase: Phase,
  /** `host:port/service`, where it was being dialled. */
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
  if (isServerError(error)) {
    const number = leadingNumber(error);
    // A commit that was broken off may have happened.
    const code =
      phase === 'commit' && number === brokenOff ? 'E4002' : oraCode(number);
    return new ReplicatorError(code, {
      detail: describe(error, code),
      ...remedyOf(number),
    });
  }
  const driverCode = (error as Error & { code?: string }).code ?? '';
  return phase === 'connect'
    ? connectFailure(error, driverCode, place)
    : driverFailure(error, driverCode, phase);
}

/** ORA-01013: user requested cancel of current operation. */
const brokenOff = 1013;

export function oraCode(number: number): ErrorCode {
  return (
    oraNumbers[number] ??
    // Of conversions from text to dates and times.
    (number >= 1830 && number <= 1866
      ? 'E4006'
      : // RAISE_APPLICATION_ERROR in a trigger.
        number >= 20_000 && number <= 20_999
        ? 'E4005'
        : 'E4008')
  );
}

function remedyOf(number: number): { remedy?: string } {
  switch (number) {
    case 942:
      return {
        remedy:
          'the schema is read again by itself; if the table is there, grant SELECT, INSERT, UPDATE and DELETE on it to the account in --targetConn',
      };
    case 1000:
      return {
        remedy:
          'raise OPEN_CURSORS at the target above --statementCacheSize, or lower that',
      };
    case 1950:
    case 1536:
      return {
        remedy:
          'alter user … quota unlimited on … at the target, for the owner of the table',
      };
    case 12514:
    case 12505:
      return {
        remedy:
          'check the service at the end of --targetConn (lsnrctl services), unless the database is starting',
      };
    default:
      return {};
  }
}

/** A break at the driver's side keeps the number of what it heard before. */
function isServerError(error: unknown): error is Error & ServerError {
  const { errorNum, code } = error as { errorNum?: unknown; code?: unknown };
  return (
    error instanceof Error &&
    typeof errorNum === 'number' &&
    errorNum > 0 &&
    !(typeof code === 'string' && code === 'NJS-123')
  );
}

export function oraNumberOf(error: unknown): number | null {
  return isServerError(error) ? leadingNumber(error) : null;
}

function connectFailure(
  error: Error,
  driverCode: string,
  place: string | undefined,
): ReplicatorError {
  const target = place === undefined ? 'the target' : `the target ${place}`;
  const known = njsCodes[driverCode];
  if (driverCode === 'NJS-506' && !isCertificateText(error.message)) {
    return new ReplicatorError('E4001', {
      detail: `${target} does not answer with TLS, which the sslmode in its address asks for`,
      remedy:
        'give the port of the TCPS endpoint, or sslmode=disable for cleartext',
    });
  }
  if (/^NJS-50[5678]$/.test(driverCode)) {
    return new ReplicatorError('E4015', {
      detail: `the certificate of ${target} is not accepted (${driverCode})`,
      remedy:
        'name its CA with sslrootcert in the address, or correct the host name',
    });
  }
  if (known === 'E4015' || known === 'E4014') {
    return new ReplicatorError(known, {
      detail: `the driver cannot log in to ${target} (${driverCode})`,
      ...(driverCode === 'NJS-533' && {
        remedy:
          'turn SQLNET.ENCRYPTION_SERVER=REQUIRED off at the server and use TLS: native network encryption is not spoken',
      }),
      ...(driverCode === 'NJS-116' && {
        remedy:
          'set the password of the account again under a SQLNET.ALLOWED_LOGON_VERSION_SERVER of 12 or more',
      }),
      ...(driverCode === 'NJS-101' && {
        remedy: 'give user and password in --targetConn',
      }),
    });
  }
  const service = /NJS-51[189]/.test(driverCode);
  return new ReplicatorError('E4001', {
    detail: `${target} cannot be reached (${driverCode || error.message})`,
    ...(service && {
      remedy:
        'check the service at the end of --targetConn (lsnrctl services), unless the database is starting',
    }),
  });
}

/** OpenSSL's words for a handshake with something else than TLS are others. */
function isCertificateText(message: string): boolean {
  return /certificate|self.signed|issuer/i.test(message);
}

function driverFailure(
  error: Error,
  driverCode: string,
  phase: Phase,
): ReplicatorError {
  const code = njsCodes[driverCode];
  // A commit that was given up may have happened: like one whose answer is lost.
  if (code === 'E4003' && phase !== 'commit') {
    return new ReplicatorError('E4003', {
      detail: `the target did not answer within --applyTimeout (${driverCode})`,
    });
  }
  if (code !== undefined) {
    return new ReplicatorError('E4002', {
      detail: `the connection to the target was lost ${phase === 'commit' ? 'during commit' : 'in a transaction'} (${driverCode})`,
    });
  }
  return new ReplicatorError('E4008', {
    detail:
      driverCode === ''
        ? 'the driver failed'
        : `the driver failed (${driverCode})`,
    cause: error,
  });
}
