/**
 * Logs in as a replication agent does, which tedious has no option for: SQL
 * Server then leaves triggers, foreign keys, checks and identity columns that
 * are marked NOT FOR REPLICATION alone for this session.
 *
 * MS-TDS, 2.2.6.4 LOGIN7: `fUserType` is three bits of OptionFlags2, at bit 4;
 * 3 is USER_SQLREPL. (tedious' own constant of that name, which nothing
 * uses, is 4.)
 */
import { ReplicatorError } from '../../../failure/failure.ts';

const login7Type = 0x10;
const optionFlags2Offset = 25;
const fixedLength = 94;
const userTypeMask = 0x70;
const userTypeReplication = 0x30;

/** The parts of a tedious connection that are touched. */
interface LoginInternals {
  readonly messageIo?: {
    sendMessage?: (type: number, payload: unknown) => unknown;
  };
  sendLogin7Packet?: () => void;
}

/** The login message with the user type of a replication agent. */
export function withReplicationUserType(payload: Buffer): Buffer {
  if (
    payload.length < fixedLength ||
    payload.readUInt32LE(0) !== payload.length
  ) {
    throw driverChanged('its login message has another form');
  }
  const changed = Buffer.from(payload);
  const flags = changed.readUInt8(optionFlags2Offset);
  changed.writeUInt8(
    (flags & ~userTypeMask) | userTypeReplication,
    optionFlags2Offset,
  );
  return changed;
}

/** Call before `connect`. Throws E4008 where the driver is not the one we know. */
export function logInAsReplicationAgent(connection: object): void {
  const internals = connection as LoginInternals;
  const sendLogin = internals.sendLogin7Packet;
  if (typeof sendLogin !== 'function') {
    throw driverChanged('it has no sendLogin7Packet');
  }
  internals.sendLogin7Packet = function (this: LoginInternals) {
    const io = this.messageIo;
    const send = io?.sendMessage;
    if (!io || typeof send !== 'function') {
      throw driverChanged('it has no sendMessage');
    }
    let isSent = false;
    io.sendMessage = (type, payload) => {
      if (type === login7Type && Buffer.isBuffer(payload)) {
        isSent = true;
        return send.call(io, type, withReplicationUserType(payload));
      }
      return send.call(io, type, payload);
    };
    try {
      sendLogin.call(this);
    } finally {
      io.sendMessage = send;
    }
    if (!isSent) {
      throw driverChanged('it sends its login otherwise');
    }
  };
}

function driverChanged(what: string): ReplicatorError {
  return new ReplicatorError('E4008', {
    detail: `the login as a replication agent does not fit this version of tedious: ${what}`,
    remedy:
      'write replication=false in --targetConn to log in as any other program does, and report it',
  });
}
