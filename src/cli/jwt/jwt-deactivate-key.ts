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
import {
  dryRunOption,
  knownKeys,
  parseKeyId,
  rowsOfKey,
  whenNoticed,
} from './known-keys.ts';

const deactivateOptions = {
  remove: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Delete the key for good instead of keeping it out of force.',
  },
  ...dryRunOption,
  ...auditOptions,
  ...stagingCommandOptions,
} as const satisfies OptionTable;

export const jwtDeactivateKeyCommand: Command = {
  name: 'jwt deactivate-key',
  description: `Puts a public key out of force, under every id that it has. Every token that was signed with its private half is refused from then on; to refuse one of them, revoke that (replicator jwt revoke). replicator jwt add-key with the same key puts it in force again. May be used beside a running daemon. ${whenNoticed}`,
  options: deactivateOptions,
  positionals: ['<key id>'],
  async run(invocation, io) {
    const values = valuesOf(deactivateOptions, invocation.values);
    const [typed] = invocation.positionals;
    if (typed === undefined) {
      throw new ReplicatorError('E5004', {
        detail: 'the id of a key is missing',
        remedy: 'give one that replicator jwt list prints',
      });
    }
    const id = parseKeyId(typed);
    await using store = await openStagingBeside(invocation.values);
    const keys = await knownKeys(store.tokens, io.signal);
    const key = keys.find((each) => each.id.toLowerCase() === id);
    if (key === undefined) {
      throw new ReplicatorError('E5002', {
        detail: `there is no key with the id ${id}`,
        remedy: 'give one that replicator jwt list prints',
      });
    }
    const rows = rowsOfKey(keys, key);
    const isLast = !keys.some(
      (other) => !rows.includes(other) && other.isActive && other.kind !== null,
    );
    const change = values.remove ? 'removed' : 'out of force';
    if (values['dry-run']) {
      for (const row of rows) {
        io.stdout.write(
          `Key ${row.id} would be ${change}. Dry run: nothing was changed.\n`,
        );
      }
    } else {
      using audit = openCommandAudit(values, io);
      await audit.act(
        'jwt deactivate-key',
        {
          staging: placeOf(values.stagingConn || values.dataDir),
          id: rows.map((row) => row.id).join(' '),
          fingerprint: key.fingerprint,
          change,
        },
        async () => {
          for (const row of rows) {
            await (values.remove
              ? store.tokens.removeKey(row.id, io.signal)
              : store.tokens.setKeyActive(row.id, false, io.signal));
          }
        },
      );
      for (const row of rows) {
        io.stdout.write(`Key ${row.id} is ${change}. ${whenNoticed}\n`);
      }
    }
    if (isLast) {
      io.stderr.write(
        'replicator: warning: no other key is in force: every token is refused\n',
      );
    }
    return 0;
  },
};
