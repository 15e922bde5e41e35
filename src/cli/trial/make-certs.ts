import { isIP } from 'node:net';
import { join } from 'node:path';

import { type OptionTable, valuesOf } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import type { Command } from '../command.ts';
import { shellWord, writeNewFiles } from './private-files.ts';

const makeCertsOptions = {
  host: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The names and addresses under which changefeeds reach the daemon (or the load balancer before it), separated by commas.',
  },
  out: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'The folder to write into; made if it is not there.',
  },
  clientName: {
    type: 'string',
    default: 'changefeed',
    group: 'Command',
    about:
      'The common name in the client certificate, for --tlsAllowedSubjects (cn:…).',
  },
  days: {
    type: 'int',
    default: 365,
    min: 1,
    max: 3650,
    group: 'Command',
    unit: 'days',
    about: 'How long they are valid.',
  },
  yes: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Replace files that are there already, without asking.',
  },
} as const satisfies OptionTable;

export const makeCertsCommand: Command = {
  name: 'make-certs',
  description:
    'Writes ca.pem, ca.key, server.pem, server.key, client.pem and client.key (EC P-256) into --out: an authority of its own, the certificate that the daemon shows, and the one that the changefeed shows. Only their owner may read the keys. Prints the next two command lines. For production take certificates of your own authority.',
  options: makeCertsOptions,
  async run(invocation, io) {
    const values = valuesOf(makeCertsOptions, invocation.values);
    const hosts = hostsOf(values.host);
    const { out, days, clientName } = values;
    if (out === '') {
      throw new ReplicatorError('E5004', {
        detail: '--out must be given',
        remedy: 'give the folder for the files, for instance --out certs',
      });
    }
    if (!/^[^\p{Cc}\p{Cf}]{1,64}$/u.test(clientName)) {
      throw new ReplicatorError('E5002', {
        detail:
          '--clientName is empty, longer than 64 characters, or not plain',
        remedy: 'give a short name, such as feed-shop',
      });
    }
    const { createCertificates } = await import('../../lib/certificates.ts');
    const { ca, server, client } = await createCertificates({
      hosts,
      days,
      clientName,
    });
    const files = Object.entries({ ca, server, client }).flatMap(
      ([name, { cert, key }]) => [
        { path: join(out, `${name}.pem`), text: cert, isSecret: false },
        { path: join(out, `${name}.key`), text: key, isSecret: true },
      ],
    );
    const isWritten = await writeNewFiles(files, {
      yes: values.yes,
      harm: 'Changefeeds that use the ones before are refused once the daemon has the new ones.',
      io,
    });
    if (!isWritten) {
      return 1;
    }
    const file = (name: string): string => shellWord(join(out, name));
    const until = new Date(Date.now() + days * 86_400_000)
      .toISOString()
      .slice(0, 10);
    io.stdout.write(
      `Made in ${out}, valid until ${until}:
  server.pem, server.key   for the daemon, as ${hosts.join(', ')}
  client.pem, client.key   for the changefeed, as ${clientName}
  ca.pem, ca.key           the authority of both. Whoever has ca.key can make callers: keep it elsewhere

Next, with a target and tables of your own:
  replicator start --targetConn env:TARGET_URL --tlsCertificate ${file('server.pem')} --tlsPrivateKey ${file('server.key')} --tlsClientCA ${file('ca.pem')}
  replicator feed sql --tables customer,orders --host ${shellWord(hosts[0]!)} --targetSchema shop/public --certs ${shellWord(out)} --out feed.sql
`,
    );
    return 0;
  },
};

/** Throws E5004 or E5002. */
function hostsOf(text: string): string[] {
  const hosts = text
    .split(',')
    .map((host) => host.trim().replace(/^\[(.*)\]$/, '$1'))
    .filter((host) => host !== '');
  if (hosts.length === 0) {
    throw new ReplicatorError('E5004', {
      detail: '--host must be given',
      remedy:
        'give the name under which CockroachDB reaches the daemon, for instance --host replicator.example.com',
    });
  }
  const wrong = hosts.find(
    (host) =>
      isIP(host) === 0 &&
      !/^(?=.{1,253}$)(\*\.)?[a-z\d]([a-z\d-]{0,61}[a-z\d])?(\.[a-z\d]([a-z\d-]{0,61}[a-z\d])?)*$/i.test(
        host,
      ),
  );
  if (wrong !== undefined) {
    throw new ReplicatorError('E5002', {
      detail: `--host ${JSON.stringify(wrong)} is neither a host name nor an address`,
      remedy:
        'give names and addresses without scheme and port; other letters in their xn-- form',
    });
  }
  return hosts;
}
