/** Keys and revoked ids in staging.db. */
import type { DatabaseSync } from 'node:sqlite';
import {
  type PublicKeyRow,
  takenKeyId,
  type TokenRegister,
} from '../tokens.ts';
import type { Turns } from './turns.ts';

export function tokensOf(
  database: DatabaseSync,
  { now, together }: Turns,
): TokenRegister {
  const keys = database.prepare(
    'select id, public_key, active from jwt_public_keys order by id',
  );
  const add = database.prepare(
    'insert into jwt_public_keys (id, public_key, active) values (?, ?, 1) on conflict (id) do nothing',
  );
  const setActive = database.prepare(
    'update jwt_public_keys set active = ? where id = ?',
  );
  const remove = database.prepare('delete from jwt_public_keys where id = ?');
  const revoked = database.prepare(
    'select id from jwt_revoked_ids order by id',
  );
  const revoke = database.prepare(
    'insert into jwt_revoked_ids (id) values (?) on conflict (id) do nothing',
  );
  return {
    keys: (signal) =>
      now(signal, () =>
        keys.all().map((row): PublicKeyRow => ({
          id: String(row['id']),
          publicKey: String(row['public_key']),
          isActive: row['active'] === 1,
        })),
      ),

    addKey: (id, publicKey, signal) =>
      together(signal, publicKey.length, () => {
        if (add.run(id, publicKey).changes === 0) {
          throw takenKeyId(id);
        }
      }),

    setKeyActive: (id, isActive, signal) =>
      together(
        signal,
        0,
        () => setActive.run(isActive ? 1 : 0, id).changes > 0,
      ),

    removeKey: (id, signal) =>
      together(signal, 0, () => remove.run(id).changes > 0),

    revokedIds: (signal) =>
      now(signal, () => revoked.all().map((row) => String(row['id']))),

    revoke: (tokenId, signal) =>
      together(signal, 0, () => revoke.run(tokenId).changes > 0),
  };
}
