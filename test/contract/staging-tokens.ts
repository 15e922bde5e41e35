/** What the register of tokens promises (src/staging/tokens.ts), as tests. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { TokenRegister } from '../../src/staging/tokens.ts';
import { type StagingPlace, withStore } from './staging-place.ts';

const pem = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n';

export function registerTokenContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withTokens = (
    run: (tokens: TokenRegister, here: StagingPlace) => Promise<void>,
  ): Promise<void> =>
    withStore(place, (store, here) => run(store.tokens, here));

  describe(`${name}: tokens`, () => {
    test('a key is added active, and stays as it is when its id comes again', () =>
      withTokens(async (tokens) => {
        expect(await tokens.keys()).toEqual([]);
        const id = randomUUID();
        await tokens.addKey(id, pem);
        await expect(tokens.addKey(id, 'other')).rejects.toMatchObject({
          code: 'E5002',
        });
        expect(await tokens.keys()).toEqual([
          { id, publicKey: pem, isActive: true },
        ]);
      }));

    test('keys are put out of force, back into it, and removed, each alone', () =>
      withTokens(async (tokens) => {
        const [one, other] = [randomUUID(), randomUUID()].toSorted() as [
          string,
          string,
        ];
        await tokens.addKey(other, 'b');
        await tokens.addKey(one, 'a');
        expect(await tokens.setKeyActive(one, false)).toBe(true);
        expect(await tokens.keys()).toEqual([
          { id: one, publicKey: 'a', isActive: false },
          { id: other, publicKey: 'b', isActive: true },
        ]);
        expect(await tokens.setKeyActive(one, true)).toBe(true);
        expect(await tokens.removeKey(other)).toBe(true);
        expect(await tokens.keys()).toEqual([
          { id: one, publicKey: 'a', isActive: true },
        ]);
        for (const gone of [other, randomUUID()]) {
          expect(await tokens.removeKey(gone)).toBe(false);
          expect(await tokens.setKeyActive(gone, false)).toBe(false);
        }
      }));

    test('a token is revoked once and for ever, whatever its id looks like', () =>
      withTokens(async (tokens) => {
        expect(await tokens.revokedIds()).toEqual([]);
        const ids = ['a', "o'clock", 'ö 🦊', '% _', 'A'];
        for (const id of ids) {
          expect(await tokens.revoke(id)).toBe(true);
          expect(await tokens.revoke(id)).toBe(false);
        }
        expect(new Set(await tokens.revokedIds())).toEqual(new Set(ids));
      }));

    test('what a command beside the daemon changes the daemon reads', () =>
      withTokens(async (tokens, here) => {
        const id = randomUUID();
        {
          await using beside = await here.openBeside();
          await beside.tokens.addKey(id, pem);
          await beside.tokens.revoke('t1');
        }
        expect(await tokens.keys()).toEqual([
          { id, publicKey: pem, isActive: true },
        ]);
        expect(await tokens.revokedIds()).toEqual(['t1']);
      }));
  });
}
