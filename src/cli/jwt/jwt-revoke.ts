import { decodeJwt } from 'jose';

import {
  auditOptions,
  type OptionTable,
  stagingCommandOptions,
  valuesOf,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import type { Command } from '../command.ts';
import { openCommandAudit, placeOf } from '../command-audit.ts';
import { openStagingBeside } from '../staging/staging-store.ts';
import { dryRunOption, whenNoticed } from './known-keys.ts';

const revokeOptions = {
  ...dryRunOption,
  ...auditOptions,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

/** A row of its own for each; far above what anybody calls a token. */
const maxIdLength = 1024;

export const jwtRevokeCommand: Command = {
  name: 'jwt revoke',
  description: `Revokes the token with this id (its claim jti; make-jwt prints it, and logs name it), for ever. Other tokens of the same key are let in as before. May be used beside a running daemon. ${whenNoticed}`,
  options: revokeOptions,
  positionals: ['<token id>'],
  async run(invocation, io) {
    const values = valuesOf(revokeOptions, invocation.values);
    const [id = ''] = invocation.positionals;
    if (id === '') {
      throw new ReplicatorError('E5004', {
        detail: 'the id of a token is missing',
        remedy: 'give its claim jti, which replicator make-jwt printed',
      });
    }
    refuseToken(id);
    if (id.length > maxIdLength || id.includes('\0')) {
      throw new ReplicatorError('E5002', {
        detail: 'this is not the id of a token',
        remedy: 'give its claim jti, which replicator make-jwt printed',
      });
    }
    const name = JSON.stringify(id);
    await using store = await openStagingBeside(invocation.values);
    if ((await store.tokens.revokedIds(io.signal)).includes(id)) {
      io.stdout.write(`Token ${name} is revoked already.\n`);
      return 0;
    }
    if (values['dry-run']) {
      io.stdout.write(
        `Token ${name} would be revoked. Dry run: nothing was changed.\n`,
      );
      return 0;
    }
    using audit = openCommandAudit(values, io);
    await audit.act(
      'jwt revoke',
      { staging: placeOf(values.stagingConn || values.dataDir), id },
      () => store.tokens.revoke(id, io.signal),
    );
    io.stdout.write(`Token ${name} is revoked. ${whenNoticed}\n`);
    return 0;
  },
};

/** A whole token is a secret, and would be kept as an id that nobody has. */
function refuseToken(text: string): void {
  let id: unknown;
  try {
    id = decodeJwt(text).jti;
  } catch {
    return;
  }
  throw new ReplicatorError('E5002', {
    detail: 'this is a whole token, and its id is asked for',
    remedy: `replicator jwt revoke ${JSON.stringify(String(id))}; and mind that the token now stands in the history of your shell`,
  });
}
