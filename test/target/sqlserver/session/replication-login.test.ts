import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parseSqlServerAddress } from '../../../../src/config/address/sqlserver.ts';
import { SqlServerConnection } from '../../../../src/target/sqlserver/session/driver.ts';
import {
  logInAsReplicationAgent,
  withReplicationUserType,
} from '../../../../src/target/sqlserver/session/replication-login.ts';

/** tedious' own writer of the message: what is changed here is what it sends. */
const Login7Payload = createRequire(import.meta.url)(
  'tedious/lib/login7-payload',
) as new (options: object) => { toBuffer(): Buffer };

function driversLogin(): Buffer {
  const payload = new Login7Payload({
    tdsVersion: 0x74000004,
    packetSize: 4096,
    clientProgVer: 0,
    clientPid: 1,
    connectionId: 0,
    clientTimeZone: 0,
    clientLcid: 0x409,
  });
  Object.assign(payload, { userName: 'u', password: 'p', database: 'd' });
  return payload.toBuffer();
}

/** A server that answers the prelogin, without TLS, and keeps the login. */
async function receivedLogin(replication: boolean): Promise<Buffer> {
  const login = Promise.withResolvers<Buffer>();
  const server = createServer((socket: Socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (
        received.length >= 8 &&
        received.length >= received.readUInt16BE(2)
      ) {
        const length = received.readUInt16BE(2);
        const packet = received.subarray(0, length);
        received = received.subarray(length);
        if (packet[0] === 0x12) {
          socket.write(preloginAnswer);
        } else if (packet[0] === 0x10) {
          login.resolve(packet.subarray(8));
          socket.destroy();
        }
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  const address = parseSqlServerAddress(
    `sqlserver://u:p@127.0.0.1:${port}/d?sslmode=disable&replication=${replication}`,
    '--targetConn',
  );
  const dialled = SqlServerConnection.dial(address, { applyTimeoutMs: 0 });
  await expect(dialled).rejects.toMatchObject({ code: /^E400[12]$/ });
  server.close();
  return login.promise;
}

/** Header, VERSION and ENCRYPTION (not supported), terminator. */
const preloginAnswer = Buffer.from([
  0x04, 0x01, 0x00, 0x1a, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x06,
  0x01, 0x00, 0x11, 0x00, 0x01, 0xff, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
]);

/** Bits 4 to 6 of OptionFlags2. */
const userType = (login: Buffer): number => (login.readUInt8(25) >> 4) & 7;

describe('the login as a replication agent', () => {
  test('is the driver’s login with the user type 3, and nothing else changed', () => {
    const login = driversLogin();
    const changed = withReplicationUserType(login);
    expect([userType(login), userType(changed)]).toEqual([0, 3]);
    expect(changed.readUInt8(25) & 0x8f).toBe(login.readUInt8(25) & 0x8f);
    changed.writeUInt8(login.readUInt8(25), 25);
    expect(changed.equals(login)).toBe(true);
  });

  test('is what goes over the wire, where the address does not forbid it', async () => {
    expect(userType(await receivedLogin(true))).toBe(3);
    expect(userType(await receivedLogin(false))).toBe(0);
  });

  test('fails loudly where the driver is not the one we know', () => {
    expect(() => logInAsReplicationAgent({})).toThrow(
      expect.objectContaining({
        code: 'E4008',
        remedy: expect.stringContaining('replication=false'),
      }),
    );
    const silent = { sendLogin7Packet() {}, messageIo: { sendMessage() {} } };
    logInAsReplicationAgent(silent);
    expect(() => silent.sendLogin7Packet()).toThrow(
      expect.objectContaining({ code: 'E4008' }),
    );
    expect(() => withReplicationUserType(Buffer.alloc(200))).toThrow(
      expect.objectContaining({ code: 'E4008' }),
    );
  });
});
