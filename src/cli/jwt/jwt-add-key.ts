import { randomUUID } from 'node:crypto';

import {
  auditOptions,
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { readVerifyingKey } from '../../source/changefeed/callers/verifying-key.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf } from '../command-audit.ts';
import { jsonOption } from '../json-option.ts';
import { openStagingBeside } from '../staging/staging-store.ts';
import { newKeyPair, readKeyFile } from './key-files.ts';
import {
  describeKey,
  dryRunOption,
  knownKeys,
  parseKeyId,
  whenNoticed,
} from './known-keys.ts';

const addKeyOptions = {
  key: {
    type: 'string',
    short: 'k',
    default: '',
    group: 'Command',
    about:
      'The PEM file of the public key: EC P-256, P-384 or P-521, or RSA of 2048 bits or more.',
  },
  generate: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about:
      'Make a new pair of keys (EC P-256) in --out and add its public half, instead of reading --key.',
  },
  out: {
    type: 'string',
    short: 'o',
    default: '',
    group: 'Command',
    about:
      'With --generate, the folder for token-key.pem, which only its owner may read, and token-key.pub.pem. Files that are there are never written over.',
  },
  id: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The id of the key, a UUID; a random one by default. A token may name it (kid), and need not.',
  },
  ...dryRunOption,
  ...jsonOption,
  ...auditOptions,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const jwtAddKeyCommand: Command = {
  name: 'jwt add-key',
  description: `Adds a public key to staging. From then on tokens that are signed with its private half are let in, for the schemas that they name. A key that is known already is put in force again. The private half stays where it is: the daemons never need it. May be used beside a running daemon. ${whenNoticed}`,
  options: addKeyOptions,
  async run(invocation, io) {
    const values = valuesOf(addKeyOptions, invocation.values);
    if (values.generate === (values.key !== '')) {
      throw new ReplicatorError('E5004', {
        detail: 'either --key or --generate is needed',
        remedy:
          'give the PEM file of a public key, or --generate --out DIR to make a pair',
      });
    }
    if (values.generate !== (values.out !== '')) {
      throw new ReplicatorError('E5004', {
        detail: '--generate and --out belong together',
        remedy: 'name the folder for the new pair of keys',
      });
    }
    const id = values.id === '' ? randomUUID() : parseKeyId(values.id);
    const pair = values.generate ? newKeyPair(values.out) : null;
    const pem = pair?.publicPem ?? (await readKeyFile(values.key, '--key'));
    // As it is stored: whatever stands around the key in the file stays there.
    const publicKey = readVerifyingKey(id, pem).key.export({
      type: 'spki',
      format: 'pem',
    }) as string;
    const added = describeKey({ id, publicKey, isActive: true });

    await using store = await openStagingBeside(invocation.values);
    const keys = await knownKeys(store.tokens, io.signal);
    const twin = keys.find(
      ({ fingerprint }) => fingerprint === added.fingerprint,
    );
    if (!twin && keys.some((key) => key.id === id)) {
      throw new ReplicatorError('E5002', {
        detail: `there is another key with the id ${id}`,
        remedy: 'give another id, or leave it out: a new one is made',
      });
    }
    const change = !twin ? 'added' : twin.isActive ? 'known' : 'activated';
    if (!values['dry-run'] && change !== 'known') {
      using audit = openCommandAudit(values, io);
      await audit.act(
        'jwt add-key',
        {
          staging: placeOf(values.stagingConn || values.dataDir),
          id: twin?.id ?? id,
          fingerprint: added.fingerprint,
          change,
        },
        async () => {
          await pair?.write();
          await (twin
            ? store.tokens.setKeyActive(twin.id, true, io.signal)
            : store.tokens.addKey(id, publicKey, io.signal));
        },
      );
    }
    const key = twin ?? added;
    if (values.json) {
      io.stdout.write(
        `${JSON.stringify({
          id: key.id,
          kind: key.kind,
          fingerprint: key.fingerprint,
          change,
          dryRun: values['dry-run'],
          privateKey: pair?.privatePath ?? null,
        })}\n`,
      );
      return 0;
    }
    const words = `Key ${key.id} (${key.kind}, ${key.fingerprint})`;
    if (change === 'known') {
      io.stdout.write(`${words} is known and in force already.\n`);
      return 0;
    }
    if (values['dry-run']) {
      io.stdout.write(
        `${words} would be ${change}. Dry run: nothing was changed.\n`,
      );
      return 0;
    }
    io.stdout.write(
      `${words} is ${change}. ${whenNoticed}\n${
        pair === null
          ? ''
          : `Its private half is in ${pair.privatePath}: replicator make-jwt --key ${pair.privatePath} --allow <schema>\n`
      }`,
    );
    return 0;
  },
};
