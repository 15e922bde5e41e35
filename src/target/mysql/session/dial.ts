/** One try to connect and log in. */
import { connect, isIP } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import mysql from 'mysql2';
import type { MysqlAddress } from '../../../config/address/mysql.ts';

export function dialOnce(
  address: MysqlAddress,
  tls: TlsOptions | false,
  stop: AbortSignal,
): Promise<mysql.Connection> {
  return new Promise((resolve, reject) => {
    const { host, port, user, password, database } = address;
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    // Of an address of digits Node compares the certificate with this name.
    if (isIP(host) > 0) {
      Object.assign(socket, { _host: host });
    }
    const cut = (): void => {
      socket.destroy();
      reject(new Error('the connection was given up'));
    };
    stop.addEventListener('abort', cut, { once: true });
    const client = mysql.createConnection({
      host,
      port,
      user,
      password,
      database,
      stream: () => socket,
      charset: 'UTF8MB4_UNICODE_CI',
      multipleStatements: true,
      // mysql2 would put it into the session's sql_mode.
      flags: ['-IGNORE_SPACE'],
      connectAttributes: { program_name: 'replicator' },
      typeCast: (field, next) =>
        /JSON|STRING|BLOB|CHAR|ENUM|SET/.test(field.type)
          ? next()
          : field.string('utf8'),
      jsonStrings: true,
      ...(tls && { ssl: sslOptions(tls) }),
    } as mysql.ConnectionOptions);
    const settle = (error?: Error): void => {
      stop.removeEventListener('abort', cut);
      if (error) {
        socket.destroy();
        reject(error);
      } else {
        resolve(client);
      }
    };
    client.on('error', () => {});
    client.once('error', settle);
    client.once('connect', () => {
      client.removeListener('error', settle);
      settle();
    });
  });
}

function sslOptions(tls: TlsOptions): object {
  return {
    rejectUnauthorized: tls.rejectUnauthorized,
    verifyIdentity:
      tls.rejectUnauthorized === true && tls.checkServerIdentity === undefined,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert, key: tls.key }),
  };
}
