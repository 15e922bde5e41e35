import {
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import type { Command } from '../command.ts';
import { jsonOption } from '../json-option.ts';
import { textTable } from '../printed-text.ts';
import { openStagingBeside } from '../staging/staging-store.ts';
import { knownKeys } from './known-keys.ts';

const listOptions = {
  ...jsonOption,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const jwtListCommand: Command = {
  name: 'jwt list',
  description:
    'Prints the public keys in staging, with the fingerprint of each (SHA-256 of its SPKI form), and the ids of revoked tokens. Tokens themselves are stored nowhere. May be used beside a running daemon.',
  options: listOptions,
  async run(invocation, { stdout, signal }) {
    const values = valuesOf(listOptions, invocation.values);
    await using store = await openStagingBeside(invocation.values);
    const keys = await knownKeys(store.tokens, signal);
    const revoked = await store.tokens.revokedIds(signal);
    if (values.json) {
      stdout.write(
        `${JSON.stringify({
          keys: keys.map(({ id, isActive, kind, fingerprint, complaint }) => ({
            id,
            active: isActive,
            kind,
            fingerprint,
            complaint,
          })),
          revoked,
        })}\n`,
      );
      return 0;
    }
    stdout.write(
      keys.length === 0
        ? 'No key is known: every token is refused. replicator jwt add-key adds one.\n'
        : textTable(
            ['KEY', 'KIND', 'IN FORCE', 'FINGERPRINT'],
            keys.map(({ id, isActive, kind, fingerprint, complaint }) => [
              id,
              kind ?? '-',
              complaint !== null ? 'never' : isActive ? 'yes' : 'no',
              fingerprint ?? complaint ?? '-',
            ]),
          ),
    );
    stdout.write(
      revoked.length === 0
        ? 'No token is revoked.\n'
        : `Revoked tokens:\n${revoked.map((id) => `  ${JSON.stringify(id)}\n`).join('')}`,
    );
    return 0;
  },
};
