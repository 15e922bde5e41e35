/** Keys and revoked ids as rows; each change is one statement. */
import {
  type PublicKeyRow,
  takenKeyId,
  type TokenRegister,
} from '../tokens.ts';
import type { Tables } from './schema.ts';

type Run = <Row extends object>(
  statement: string,
  values: readonly unknown[],
  signal: AbortSignal | undefined,
) => Promise<Row[]>;

interface KeyRow {
  readonly id: string;
  readonly public_key: string;
  readonly active: boolean;
}

export function tokensOn(
  { publicKeys, revokedIds }: Pick<Tables, 'publicKeys' | 'revokedIds'>,
  run: Run,
): TokenRegister {
  const text = {
    keys: `select id::text as id, public_key, active from ${publicKeys} order by 1`,
    add: `insert into ${publicKeys} (id, public_key, active)
      values ($1::uuid, $2, true) on conflict (id) do nothing returning id`,
    setActive: `update ${publicKeys} set active = $2 where id = $1::uuid returning id`,
    remove: `delete from ${publicKeys} where id = $1::uuid returning id`,
    revoked: `select id from ${revokedIds} order by id`,
    revoke: `insert into ${revokedIds} (id) values ($1) on conflict (id) do nothing returning id`,
  };
  const changes = async (
    statement: string,
    values: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> => (await run(statement, values, signal)).length > 0;

  return {
    async keys(signal) {
      const rows = await run<KeyRow>(text.keys, [], signal);
      return rows.map(({ id, public_key, active }): PublicKeyRow => ({
        id,
        publicKey: public_key,
        isActive: active,
      }));
    },

    async addKey(id, publicKey, signal) {
      if (!(await changes(text.add, [id, publicKey], signal))) {
        throw takenKeyId(id);
      }
    },

    setKeyActive: (id, isActive, signal) =>
      changes(text.setActive, [id, isActive], signal),
    removeKey: (id, signal) => changes(text.remove, [id], signal),

    async revokedIds(signal) {
      const rows = await run<{ id: string }>(text.revoked, [], signal);
      return rows.map(({ id }) => id);
    },

    revoke: (tokenId, signal) => changes(text.revoke, [tokenId], signal),
  };
}
