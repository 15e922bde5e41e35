import { randomUUID } from 'node:crypto';

import { SignJWT } from 'jose';

import {
  globalOptions,
  type OptionTable,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { formatDuration } from '../../lib/duration.ts';
import { schemasClaim } from '../../source/changefeed/callers/token-claims.ts';
import type { Command } from '../command.ts';
import { parseAllowedSchemas } from './allowed-schemas.ts';
import {
  laxModeWarning,
  readSigningKey,
  writeSecretFile,
} from './key-files.ts';

const makeJwtOptions = {
  allow: {
    type: 'string',
    short: 'a',
    repeatable: true,
    default: '',
    group: 'Command',
    about:
      'A target schema that the token is for, as it stands in the webhook path, with dots (shop.public) or slashes; * is any one part (shop.*). May be given several times. _.diag stands for /_/diag.',
  },
  key: {
    type: 'string',
    short: 'k',
    default: '',
    group: 'Command',
    about:
      'The PEM file of the private key that signs the token: EC P-256, P-384 or P-521, or RSA of 2048 bits or more. It is never printed.',
  },
  claim: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Print the claims as JSON instead of a token, for an issuer of your own to sign. Needs no key.',
  },
  expires: {
    type: 'duration',
    default: 0,
    min: 0,
    group: 'Command',
    about:
      'How long the token is good for (2160h is 90 days); 0 is for ever, until it is revoked or its key is taken out.',
  },
  audience: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'The --jwtAudience of the daemons that the token is for.',
  },
  id: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The id (jti) by which the token can be revoked and is named in logs; a random one by default.',
  },
  out: {
    type: 'string',
    short: 'o',
    default: '',
    group: 'Command',
    about:
      'Write to this file, which only its owner may read, instead of stdout.',
  },
  ...globalOptions,
} as const satisfies OptionTable;

export const makeJwtCommand: Command = {
  name: 'make-jwt',
  description:
    "Signs a token that lets its bearer send to the target schemas of --allow, with a key whose public half the daemons know (replicator jwt add-key). Nothing is looked up or stored. Give it to the changefeed as webhook_auth_header='Bearer <token>'; where the sink can send no header, as access_token=<token> in its URL. A token is a password: whoever has it can send.",
  options: makeJwtOptions,
  printsSecrets: true,
  async run(invocation, io) {
    const values = valuesOf(makeJwtOptions, invocation.values);
    const issuedAt = Math.floor(Date.now() / 1000);
    const claims = {
      jti: values.id === '' ? randomUUID() : values.id,
      iss: 'replicator',
      iat: issuedAt,
      ...(values.expires > 0 && {
        exp: issuedAt + Math.ceil(values.expires / 1000),
      }),
      ...(values.audience !== '' && { aud: values.audience }),
      [schemasClaim]: { schemas: parseAllowedSchemas(values.allow) },
    };
    const write = async (text: string): Promise<void> => {
      if (values.out === '') {
        io.stdout.write(text);
      } else {
        await writeSecretFile(values.out, text);
      }
    };
    if (values.claim) {
      await write(`${JSON.stringify(claims, null, 2)}\n`);
      return 0;
    }
    if (values.key === '') {
      throw new ReplicatorError('E5004', {
        detail: '--key is missing',
        remedy:
          'give the PEM file of the private key (replicator jwt add-key --generate makes one), or --claim to print what an issuer of yours is to sign',
      });
    }
    const { key, algorithm } = await readSigningKey(values.key);
    const warning = await laxModeWarning(values.key);
    if (warning !== null) {
      io.stderr.write(`replicator: warning: ${warning}\n`);
    }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .sign(key);
    await write(`${token}\n`);
    io.stderr.write(
      `Token ${JSON.stringify(claims.jti)}, ${algorithm}, ${
        values.expires > 0
          ? `good for ${formatDuration(values.expires)}`
          : 'good until it is revoked (--expires limits it)'
      }. Its public key must be known to the daemons: replicator jwt add-key.\n`,
    );
    return 0;
  },
};
