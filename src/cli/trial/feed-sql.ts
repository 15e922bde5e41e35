import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';

import { type OptionTable, valuesOf } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import {
  type SchemaName,
  schemaNameParts,
} from '../../mutation/schema-name.ts';
import {
  readCertificates,
  readPair,
} from '../../source/changefeed/server/certificate-check.ts';
import {
  expiryStage,
  isoTime,
} from '../../source/changefeed/server/certificate-expiry.ts';
import type { Command } from '../command.ts';
import { feedNotes } from './feed-notes.ts';
import { feedStatement } from './feed-statement.ts';
import { shellWord, writeNewFiles } from './private-files.ts';
import { parseTableList } from './table-list.ts';

const defaultPort = 26_258;

const feedSqlOptions = {
  tables: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The tables of the source, with commas between: customer,audit."Order, Line". Names are taken in the case in which they are typed; odd ones stand in double quotes.',
  },
  host: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Where CockroachDB reaches the daemon: host or host:port (26258 by default). It must be a name in the certificate of the daemon.',
  },
  targetSchema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The target schema that the rows go into: shop/public or shop.public for PostgreSQL and SQL Server, shop for MySQL and MariaDB, SHOP for Oracle.',
  },
  certs: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'A folder with ca.pem, client.pem and client.key, as make-certs writes them.',
  },
  tlsCACertificate: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      "The PEM file of the authority of the daemon's certificate, instead of ca.pem in --certs. Not needed where CockroachDB's machines trust it anyway.",
  },
  tlsCertificate: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The PEM file of the client certificate, with those in between behind it, instead of client.pem in --certs.',
  },
  tlsPrivateKey: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'The PEM file of its key, instead of client.key in --certs.',
  },
  token: {
    type: 'string',
    secret: true,
    default: '',
    group: 'Command',
    about:
      'A token for a daemon that asks for one (--authentication token or both).',
  },
  cursor: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The time as of which the target holds the rows already, as SELECT cluster_logical_timestamp() printed it. Without it every row is sent once first.',
  },
  out: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The file to write, which only its owner may read; - prints to the terminal, key and all. Must be given where the text holds a key or a token.',
  },
  yes: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Replace --out if it is there already, without asking.',
  },
} as const satisfies OptionTable;

export const feedSqlCommand: Command = {
  name: 'feed sql',
  description:
    'Prints the complete statement, to be run at the CockroachDB cluster: tables, the address with its path, the certificates as base64 and percent-encoded, and the options that the daemon needs; and before it, as comments, what to look at first. The private key of the client certificate becomes part of the text.',
  options: feedSqlOptions,
  printsSecrets: true,
  async run(invocation, io) {
    const values = valuesOf(feedSqlOptions, invocation.values);
    const tables = parseTableList(values.tables);
    const { authority, host } = addressOf(values.host);
    const schema = schemaOf(values.targetSchema);
    checkCursor(values.cursor);
    checkToken(values.token);
    const { caCert, client, warnings } = await certificatesOf(values, host);
    const isSecret = client !== null || values.token !== '';
    if (isSecret && values.out === '') {
      throw new ReplicatorError('E5007', {
        detail:
          'the statement holds a private key or a token, which a terminal would show and keep',
        remedy:
          'give --out feed.sql, a file that only you may read, or --out - to print it all the same',
      });
    }
    const facts = {
      hasKey: client !== null,
      hasToken: values.token !== '',
      hasCursor: values.cursor !== '',
    };
    const statement = feedStatement({
      tables,
      authority,
      schema,
      caCert,
      client,
      token: values.token === '' ? null : values.token,
      cursor: values.cursor === '' ? null : values.cursor,
    });
    const text = `${feedNotes(facts)}\n\n${statement}\n`;
    for (const warning of warnings) {
      io.stderr.write(`replicator: warning: ${warning}\n`);
    }
    if (values.out === '' || values.out === '-') {
      io.stdout.write(text);
      return 0;
    }
    const isWritten = await writeNewFiles(
      [{ path: values.out, text, isSecret: true }],
      { yes: values.yes, harm: 'It would be replaced.', io },
    );
    if (!isWritten) {
      return 1;
    }
    io.stdout.write(
      `Written to ${values.out}, which only you may read${isSecret ? ': it holds what lets a caller in' : ''}. Read the notes in it, then:\n  cockroach sql --file ${shellWord(values.out)}\n${isSecret ? 'Delete it afterwards.\n' : ''}`,
    );
    return 0;
  },
};

interface FeedCertificates {
  readonly caCert: string | null;
  readonly client: { readonly cert: string; readonly key: string } | null;
  readonly warnings: readonly string[];
}

/** Throws E5003, E5005 or E5018. */
async function certificatesOf(
  values: Record<
    'certs' | 'tlsCACertificate' | 'tlsCertificate' | 'tlsPrivateKey',
    string
  >,
  host: string,
): Promise<FeedCertificates> {
  const { certs } = values;
  const fileOf = (
    option: 'tlsCACertificate' | 'tlsCertificate' | 'tlsPrivateKey',
    name: string,
  ): { name: string; path: string } | null =>
    values[option] !== ''
      ? { name: `--${option} ${values[option]}`, path: values[option] }
      : certs !== ''
        ? { name: join(certs, name), path: join(certs, name) }
        : null;
  if ((values.tlsCertificate === '') !== (values.tlsPrivateKey === '')) {
    throw new ReplicatorError('E5003', {
      detail: '--tlsCertificate and --tlsPrivateKey belong together',
      remedy: 'give both, or --certs alone',
    });
  }
  const warnings: string[] = [];
  const ca = await readNamed(fileOf('tlsCACertificate', 'ca.pem'));
  const cert = await readNamed(fileOf('tlsCertificate', 'client.pem'));
  const key = await readNamed(fileOf('tlsPrivateKey', 'client.key'));
  const nowMs = Date.now();
  const authorities = ca === null ? null : readCertificates(ca);
  const chain = cert === null || key === null ? null : readPair(cert, key);
  for (const each of [...(authorities ?? []), ...(chain ?? [])]) {
    const notAfterMs = each.validToDate.getTime();
    if (expiryStage(notAfterMs, nowMs) !== null) {
      warnings.push(
        `a certificate in it ${notAfterMs < nowMs ? 'has expired' : 'expires'} on ${isoTime(notAfterMs)}`,
      );
    }
  }
  const server = join(certs, 'server.pem');
  if (certs !== '' && existsSync(server)) {
    const own = new X509Certificate(await readFile(server, 'utf8'));
    const isNamed = isIP(host) === 0 ? own.checkHost(host) : own.checkIP(host);
    if (isNamed === undefined) {
      warnings.push(
        `${host} is no name in ${server} (${own.subjectAltName ?? 'none'}): CockroachDB would not trust the daemon there`,
      );
    }
  }
  return {
    caCert: authorities === null ? null : pemOf(authorities),
    client: chain === null ? null : { cert: pemOf(chain), key: key!.text },
    warnings,
  };
}

/** The certificates alone: whatever else stands in such a file stays here. */
function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map((each) => each.toString()).join('');
}

async function readNamed(
  file: { readonly name: string; readonly path: string } | null,
): Promise<{ name: string; text: string } | null> {
  if (file === null) {
    return null;
  }
  try {
    return { name: file.name, text: await readFile(file.path, 'utf8') };
  } catch (error) {
    throw new ReplicatorError('E5005', {
      detail: `${file.name} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      cause: error,
    });
  }
}

/** Throws E5004 or E5002. */
function addressOf(text: string): { authority: string; host: string } {
  if (text === '') {
    throw new ReplicatorError('E5004', {
      detail: '--host must be given',
      remedy:
        'give the name under which CockroachDB reaches the daemon, for instance --host replicator.example.com',
    });
  }
  const [, bracketed, plain, port = String(defaultPort)] =
    isIP(text) === 6
      ? ['', text]
      : (/^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? []);
  const host = bracketed ?? plain;
  if (
    host === undefined ||
    Number(port) > 65_535 ||
    (bracketed !== undefined && isIP(bracketed) !== 6)
  ) {
    throw new ReplicatorError('E5002', {
      detail: `--host ${JSON.stringify(text)} is not a host, or host:port`,
      remedy:
        'give it without scheme and path, for instance replicator.example.com:26258',
    });
  }
  return {
    host,
    authority: `${bracketed === undefined ? host : `[${host}]`}:${port}`,
  };
}

/** Throws E5004. */
function schemaOf(text: string): readonly string[] {
  const parts = (
    text.includes('/') ? text.split('/') : schemaNameParts(text as SchemaName)
  ).filter((part) => part !== '');
  if (parts.length === 0) {
    throw new ReplicatorError('E5004', {
      detail: '--targetSchema must be given',
      remedy:
        'name the schema of the target: shop/public, on MySQL shop, on Oracle SHOP',
    });
  }
  return parts;
}

function checkCursor(cursor: string): void {
  if (cursor !== '' && !/^\d{19}(\.\d{10})?$/.test(cursor)) {
    throw new ReplicatorError('E5002', {
      detail: `--cursor ${JSON.stringify(cursor.slice(0, 80))} is not a time of the cluster`,
      remedy:
        'give what SELECT cluster_logical_timestamp() prints: 1795231345663348457.0000000000',
    });
  }
}

function checkToken(token: string): void {
  if (!/^[\w.~+/=-]*$/.test(token)) {
    throw new ReplicatorError('E5002', {
      detail: '--token holds characters that no token has',
      remedy: 'give the token alone, without "Bearer" and without line ends',
    });
  }
}
