import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  type KeyringOptions,
  TokenKeyring,
} from '../../../../src/source/changefeed/callers/token-keyring.ts';
import { openSqliteStore } from '../../../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../../../src/staging/staging.ts';
import type { Logger } from '../../../../src/telemetry/logger.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import {
  claimsFor,
  ecKey,
  signed,
  type TestKey,
} from '../../../support/tokens.ts';

let one: TestKey;
let other: TestKey;
beforeAll(() => {
  one = ecKey();
  other = ecKey();
});

const claims = claimsFor([['shop', 'public']]);
const never = { reloadMs: 1 << 30, retryMs: 1 << 30, maxAgeMs: 1 << 30 };

interface Opened {
  readonly store: StagingStore;
  readonly keyring: TokenKeyring;
  readonly lines: string[];
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Runs on a connection of its own. */
  readonly sql: (text: string) => void;
}

async function open(
  changed: Partial<KeyringOptions> = {},
  before: (store: StagingStore) => Promise<void> = async () => {},
): Promise<Opened> {
  const parent = await mkdtemp(join(tmpdir(), 'replicator-keyring-'));
  const dataDir = join(parent, 'data');
  const store = openSqliteStore({ dataDir, exclusive: true });
  onTestFinished(() => rm(parent, { recursive: true }));
  onTestFinished(() => store[Symbol.asyncDispose]());
  await before(store);
  const lines: string[] = [];
  const note = (...args: unknown[]): void => {
    lines.push(String(args.at(-1)));
  };
  const metrics = createMetrics();
  const keyring = await TokenKeyring.open({
    register: store.tokens,
    audience: null,
    areTokensAsked: true,
    metrics,
    logger: { info: note, warn: note } as unknown as Logger,
    periods: never,
    ...changed,
  });
  onTestFinished(() => keyring[Symbol.asyncDispose]());
  return {
    store,
    keyring,
    lines,
    metrics,
    sql(text) {
      const database = new DatabaseSync(join(dataDir, 'staging.db'), {
        timeout: 10_000,
      });
      database.exec(text);
      database.close();
    },
  };
}

const isIn = async (keyring: TokenKeyring, token: string): Promise<boolean> =>
  await keyring.verify(token).then(
    () => true,
    (error: { code: string }) => {
      expect(error.code).toBe('E1023');
      return false;
    },
  );

test('a key lets in from the reload after it was added to that after it was put out of force', async () => {
  const { store, keyring } = await open();
  const token = await signed(one, claims);
  expect(await isIn(keyring, token)).toBe(false);
  await store.tokens.addKey(one.id, one.publicPem);
  await store.tokens.addKey(other.id, other.publicPem);
  expect(await isIn(keyring, token)).toBe(false);
  await keyring.reload();
  expect(await isIn(keyring, token)).toBe(true);
  await store.tokens.setKeyActive(one.id, false);
  await keyring.reload();
  // Though it was verified before: what is kept goes with the keys.
  expect(await isIn(keyring, token)).toBe(false);
  expect(await isIn(keyring, await signed(other, claims))).toBe(true);
});

test('a token that is revoked is refused from the next reload, others are not', async () => {
  const { store, keyring } = await open({}, (opened) =>
    opened.tokens.addKey(one.id, one.publicPem),
  );
  const token = await signed(one, claims);
  expect(await isIn(keyring, token)).toBe(true);
  await store.tokens.revoke('token-1');
  await keyring.reload();
  expect(await isIn(keyring, token)).toBe(false);
  expect(
    await isIn(keyring, await signed(one, { ...claims, jti: 'token-2' })),
  ).toBe(true);
  expect(keyring.diagnostics()).toMatchObject({
    activeKeys: 1,
    revokedTokens: 1,
    failing: false,
  });
});

test('tokens are verified again only when other keys are in force', async () => {
  const { store, keyring } = await open({}, (opened) =>
    opened.tokens.addKey(one.id, one.publicPem),
  );
  const token = await signed(one, claims);
  const kept = (): unknown => keyring.diagnostics()['keptTokens'];
  await keyring.verify(token);
  await keyring.reload();
  expect(kept()).toBe(1);
  await store.tokens.revoke('token-1');
  await keyring.reload();
  expect(kept()).toBe(1);
  expect(await isIn(keyring, token)).toBe(false);
  await store.tokens.addKey(other.id, other.publicPem);
  await keyring.reload();
  expect(kept()).toBe(0);
  await store.tokens.setKeyActive(one.id, false);
  await store.tokens.setKeyActive(other.id, false);
  await keyring.reload();
  expect(await isIn(keyring, token)).toBe(false);
});

test('keys are read again by themselves', async () => {
  const { store, keyring } = await open({
    periods: { ...never, reloadMs: 20 },
  });
  await store.tokens.addKey(one.id, one.publicPem);
  const token = await signed(one, claims);
  await expect.poll(() => isIn(keyring, token), { timeout: 30_000 }).toBe(true);
});

test('a reload that fails keeps keys and revocations as they were, says so once, and counts', async () => {
  const { store, keyring, lines, metrics, sql } = await open({}, (opened) =>
    opened.tokens.addKey(one.id, one.publicPem),
  );
  await store.tokens.revoke('revoked-1');
  await keyring.reload();
  const refreshedAt = (await metrics.jwt_last_refresh_time.get()).values[0]!
    .value;
  expect(Math.abs(refreshedAt - Date.now() / 1000)).toBeLessThan(120);
  sql('alter table jwt_revoked_ids rename to away');
  await keyring.reload();
  await keyring.reload();
  const token = await signed(one, claims);
  const revoked = await signed(one, { ...claims, jti: 'revoked-1' });
  expect(await isIn(keyring, token)).toBe(true);
  expect(await isIn(keyring, revoked)).toBe(false);
  expect(keyring.diagnostics()).toMatchObject({ failing: true });
  expect(
    lines.filter((line) => line.includes('the keys of tokens cannot be read')),
  ).toHaveLength(1);
  const failures = await metrics.replicator_jwt_refresh_failures_total.get();
  expect(failures.values[0]!.value).toBe(2);
  sql('alter table away rename to jwt_revoked_ids');
  await keyring.reload();
  expect(lines.at(-1)).toBe('the keys of tokens are read again');
});

test('keys that could not be read for too long let nobody in, as 503, until they are read', async () => {
  const { keyring, sql } = await open(
    { periods: { reloadMs: 5, retryMs: 5, maxAgeMs: 200 } },
    (opened) => opened.tokens.addKey(one.id, one.publicPem),
  );
  const token = await signed(one, claims);
  sql('alter table jwt_revoked_ids rename to away');
  const outcome = async (): Promise<unknown> =>
    await keyring.verify(token).then(
      () => 'good',
      (error: { code: string; httpStatus: number }) =>
        `${error.code} ${error.httpStatus}`,
    );
  await expect.poll(outcome, { timeout: 30_000 }).toBe('E5017 503');
  sql('alter table away rename to jwt_revoked_ids');
  await expect.poll(outcome, { timeout: 30_000 }).toBe('good');
});

test('a row that is no key is named, and keeps no other from its work', async () => {
  const { keyring, lines } = await open({}, async (store) => {
    await store.tokens.addKey('a', 'not a key');
    await store.tokens.addKey('b', other.privatePem);
    await store.tokens.addKey(one.id, one.publicPem);
  });
  await keyring.reload();
  expect(await isIn(keyring, await signed(one, claims))).toBe(true);
  expect(await isIn(keyring, await signed(other, claims))).toBe(false);
  expect(lines.map((line) => line.slice(0, 40))).toEqual([
    'the key a verifies no token: E5016 there',
    'the key b verifies no token: E5016 this ',
  ]);
  expect(lines.join()).not.toContain(other.privatePem.split('\n')[1]);
});

test('that there is no key is said where tokens are asked for, and again when the last one goes', async () => {
  const { store, keyring, lines } = await open();
  const told = (): number =>
    lines.filter((line) => line.includes('no active key')).length;
  expect(told()).toBe(1);
  await keyring.reload();
  expect(told()).toBe(1);
  await store.tokens.addKey(one.id, one.publicPem);
  await keyring.reload();
  await store.tokens.removeKey(one.id);
  await keyring.reload();
  expect(told()).toBe(2);
  expect((await open({ areTokensAsked: false })).lines).toEqual([]);
});

test('reloads that are asked for at once all see what stood there when they were', async () => {
  const { store, keyring } = await open();
  const first = keyring.reload();
  await store.tokens.addKey(one.id, one.publicPem);
  await Promise.all([first, keyring.reload(), keyring.reload()]);
  expect(await isIn(keyring, await signed(one, claims))).toBe(true);
});
