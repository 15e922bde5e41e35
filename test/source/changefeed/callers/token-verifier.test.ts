import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { allowsSchema } from '../../../../src/source/changefeed/callers/token-claims.ts';
import {
  maxTokenLength,
  TokenVerifier,
  type VerifierOptions,
} from '../../../../src/source/changefeed/callers/token-verifier.ts';
import { readVerifyingKey } from '../../../../src/source/changefeed/callers/verifying-key.ts';
import {
  base64Json,
  claimName,
  claimsFor,
  ecKey,
  rsaKey,
  signed,
  type TestKey,
  testKey,
} from '../../../support/tokens.ts';

let ec: TestKey;
let rsa: TestKey;
let stranger: TestKey;
beforeAll(() => {
  ec = ecKey();
  rsa = rsaKey();
  stranger = rsaKey();
});

const nowMs = 1_800_000_000_000;
const now = nowMs / 1000;
const good = claimsFor([['shop', 'public']]);

function verifier(changed: Partial<VerifierOptions> = {}): TokenVerifier {
  return new TokenVerifier({
    keys: [ec, rsa].map(({ id, publicPem }) => readVerifyingKey(id, publicPem)),
    revokedIds: new Set(['revoked-1']),
    audience: null,
    nowMs: () => nowMs,
    ...changed,
  });
}

/** What the sender hears; `good` for a token that is let in. */
async function answer(
  token: string,
  changed: Partial<VerifierOptions> = {},
): Promise<string> {
  try {
    await verifier(changed).verify(token);
    return 'good';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(code).toBe('E1023');
    if (token.length > 60) {
      expect((error as { line: string }).line).not.toContain(
        token.slice(20, 60),
      );
    }
    return message;
  }
}

describe('a good token', () => {
  test.each([
    ['ES256', () => ec],
    ['RS256', () => rsa],
    ['RS384', () => ({ ...rsa, algorithm: 'RS384' })],
    ['RS512', () => ({ ...rsa, algorithm: 'RS512' })],
    ['ES384', () => ecKey('P-384', 'ES384')],
    ['ES512', () => ecKey('P-521', 'ES512')],
    ['RS256 of 4096 bits', () => rsaKey(4096)],
  ])(
    'of %s is let in, with a kid of ours, of others, or none',
    async (_, make) => {
      const key = make();
      const keys = [stranger, ec, key].map(({ id, publicPem }) =>
        readVerifyingKey(id, publicPem),
      );
      for (const header of [
        {},
        { kid: key.id },
        { kid: 'theirs' },
        { kid: 7 },
      ]) {
        expect(await answer(await signed(key, good, header), { keys })).toBe(
          'good',
        );
      }
    },
  );

  test('may name its schemas by the older claim of the peer', async () => {
    const claims = claimsFor([], {
      [claimName]: undefined,
      'https://github.com/cockroachdb/cdc-sink': { schemas: [['a', '*']] },
    });
    const found = await verifier().verify(await signed(ec, claims));
    expect(found.schemas).toEqual([['a', '*']]);
  });

  test('is verified once, and asked for its time and revocation each time', async () => {
    let clockMs = nowMs;
    const one = verifier({ nowMs: () => clockMs });
    const token = await signed(ec, { ...good, exp: now + 100 });
    const first = await one.verify(token);
    expect(await one.verify(token)).toBe(first);
    clockMs = (now + 100 + 29) * 1000;
    expect(await one.verify(token)).toBe(first);
    clockMs = (now + 100 + 30) * 1000;
    await expect(one.verify(token)).rejects.toMatchObject({ code: 'E1023' });
  });
});

describe('a token is refused', () => {
  test.each([
    ['that has expired', { exp: now - 31 }, 'it has expired'],
    ['that expired in 1970', { exp: 0 }, 'it has expired'],
    ['that is not valid yet', { nbf: now + 31 }, 'it is not valid yet (nbf)'],
    ['whose exp is text', { exp: '9999999999' }, 'claims is not understood'],
    ['whose exp is null', { exp: null }, 'claims is not understood'],
    ['whose nbf is text', { nbf: '0' }, 'it is not valid yet (nbf)'],
    ['for somebody else', { aud: 'other' }, 'for somebody else (aud)'],
    ['for several others', { aud: ['a', 'b'] }, 'for somebody else (aud)'],
    ['for nobody', { aud: null }, 'for somebody else (aud)'],
    ['that is revoked', { jti: 'revoked-1' }, 'it is revoked'],
    ['without an id', { jti: undefined }, 'no id (jti)'],
    ['with an empty id', { jti: '' }, 'no id (jti)'],
    ['with a number for an id', { jti: 7 }, 'no id (jti)'],
    ['without schemas', { [claimName]: undefined }, 'it names no schema'],
    ['with no schema in it', { [claimName]: { schemas: [] } }, 'it names no'],
    ['with a null claim', { [claimName]: null }, 'it names no schema'],
    ['with a text for schemas', { [claimName]: { schemas: '*' } }, 'list of'],
    ['with a schema as text', { [claimName]: { schemas: ['*'] } }, 'list of'],
    ['with an empty schema', { [claimName]: { schemas: [[]] } }, 'list of'],
    ['with an empty part', { [claimName]: { schemas: [['']] } }, 'list of'],
    ['with a number part', { [claimName]: { schemas: [[1]] } }, 'list of'],
  ])('%s', async (_, changed, reason) => {
    expect(await answer(await signed(ec, { ...good, ...changed }))).toContain(
      reason,
    );
  });

  test('that has other times than these, but only by the leeway, is let in', async () => {
    for (const changed of [{ exp: now - 29 }, { nbf: now + 29 }]) {
      expect(await answer(await signed(ec, { ...good, ...changed }))).toBe(
        'good',
      );
    }
  });

  test('unless it is for the audience that we are, where we are one', async () => {
    for (const [aud, reason] of [
      ['us', 'good'],
      [['others', 'us'], 'good'],
      ['US', 'not for the --jwtAudience'],
      ['others', 'not for the --jwtAudience'],
      [undefined, 'not for the --jwtAudience'],
    ] as const) {
      const token = await signed(ec, { ...good, aud });
      expect(await answer(token, { audience: 'us' })).toContain(reason);
    }
  });

  test('that a stranger signed, also under the kid of one of our keys', async () => {
    for (const header of [{}, { kid: rsa.id }, { kid: stranger.id }]) {
      expect(await answer(await signed(stranger, good, header))).toContain(
        'not signed by an active key',
      );
    }
    expect(
      await answer(await signed(stranger, good, { kid: ec.id })),
    ).toContain('not signed by an active key');
  });

  test('that brings the key to verify it with', async () => {
    const jwk = ecKey().privateKey.export({ format: 'jwk' });
    const { d: _, ...publicJwk } = jwk;
    const other = ecKey();
    for (const header of [
      { jwk: publicJwk },
      { jku: 'http://127.0.0.1:1/keys' },
      { x5u: 'http://127.0.0.1:1/cert' },
    ]) {
      expect(await answer(await signed(other, good, header))).toContain(
        'not signed by an active key',
      );
    }
  });

  test('that asks for no signature, however it is written', async () => {
    for (const alg of ['none', 'None', 'NONE', '', undefined, null]) {
      const unsigned = `${base64Json({ alg, typ: 'JWT' })}.${base64Json(good)}`;
      for (const token of [`${unsigned}.`, unsigned, `${unsigned}.AAAA`]) {
        expect(await answer(token)).toMatch(/form of one|active key/);
      }
    }
  });

  test('that is signed with a public key as if it were a shared secret', async () => {
    for (const { publicPem } of [ec, rsa]) {
      const der = Buffer.from(
        publicPem.replaceAll(/-----[^-]+-----|\s/g, ''),
        'base64',
      );
      for (const [alg, digest] of [
        ['HS256', 'sha256'],
        ['HS512', 'sha512'],
        // The name of the right algorithm changes nothing.
        ['RS256', 'sha256'],
        ['ES256', 'sha256'],
      ] as const) {
        const text = `${base64Json({ alg })}.${base64Json(good)}`;
        for (const secret of [publicPem, publicPem.trim(), der]) {
          const mac = createHmac(digest, secret).update(text).digest();
          expect(
            await answer(`${text}.${mac.toString('base64url')}`),
          ).toContain('not signed by an active key');
        }
      }
    }
  });

  test('that is signed in a way its key does not serve for', async () => {
    const p384 = ecKey('P-384', 'ES384');
    const keys = [readVerifyingKey(p384.id, p384.publicPem)];
    const text = `${base64Json({ alg: 'ES256' })}.${base64Json(good)}`;
    const signature = sign('sha256', Buffer.from(text), {
      key: p384.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    expect(
      await answer(`${text}.${signature.toString('base64url')}`, { keys }),
    ).toContain('not signed by an active key');
    for (const alg of ['PS256', 'EdDSA', 'ES256K']) {
      const named = `${base64Json({ alg })}.${base64Json(good)}`;
      expect(await answer(`${named}.AAAA`)).toContain('active key');
    }
  });

  test('whose signature stays while its payload or header changes', async () => {
    const token = await signed(rsa, good);
    const [header, , signature] = token.split('.');
    const wider = base64Json(claimsFor([['*', '*']]));
    expect(await answer(`${header}.${wider}.${signature}`)).toContain(
      'not signed',
    );
    const [, payload] = token.split('.');
    const other = base64Json({ alg: 'RS256', kid: 'x' });
    expect(await answer(`${other}.${payload}.${signature}`)).toContain(
      'not signed',
    );
  });

  test('that marks as critical what nobody here understands', async () => {
    const header = { alg: 'ES256', crit: ['exp2'], exp2: 1 };
    const text = `${base64Json(header)}.${base64Json(good)}`;
    const signature = sign('sha256', Buffer.from(text), {
      key: ec.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    expect(
      await answer(`${text}.${signature.toString('base64url')}`),
    ).toContain('it is not understood');
  });

  test('that is no token at all, or longer than any', async () => {
    for (const text of [
      'x',
      '.',
      '..',
      '...',
      'a.b.c',
      '\u0000',
      'eyJhbGciOiJFUzI1NiJ9',
      `${base64Json('ES256')}.${base64Json(good)}.AAAA`,
      `${base64Json([])}.${base64Json(good)}.AAAA`,
      `${base64Json(null)}.${base64Json(good)}.AAAA`,
      'ö.ö.ö',
      '../../etc/passwd.a.b',
    ]) {
      expect(await answer(text)).not.toBe('good');
    }
    const long = await signed(ec, { ...good, pad: 'x'.repeat(maxTokenLength) });
    expect(await answer(long)).toContain('longer than');
  });

  test('when there is no key at all', async () => {
    expect(await answer(await signed(ec, good), { keys: [] })).toContain(
      'not signed by an active key',
    );
  });
});

test('no change of a good token is let in, wherever and whatever it is', async () => {
  const tokens = [await signed(ec, good), await signed(rsa, good)];
  const one = verifier();
  await Promise.all(tokens.map((token) => one.verify(token)));
  const alphabet =
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ %\n';
  const change = fc.record({
    token: fc.constantFrom(...tokens),
    at: fc.nat(),
    with: fc.oneof(
      fc.constantFrom(...alphabet.split('')),
      fc.string({ maxLength: 4 }),
      fc.constant(''),
    ),
    length: fc.nat({ max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ token, at, with: text, length }) => {
      const start = at % (token.length + 1);
      const changed =
        token.slice(0, start) + text + token.slice(start + length);
      fc.pre(changed !== token);
      await expect(one.verify(changed)).rejects.toMatchObject({
        code: 'E1023',
      });
    }),
    { numRuns: 3000 },
  );
});

test('what lets nobody in is not kept, and what is kept is bounded', async () => {
  const one = verifier();
  await expect(one.verify(await signed(stranger, good))).rejects.toThrow();
  expect(one.keptCount).toBe(0);
  for (let index = 0; index < 1100; index++) {
    await one.verify(await signed(ec, { ...good, jti: `t${index}` }));
  }
  expect(one.keptCount).toBe(1000);
}, 60_000);

test('those who flood with forged tokens wait in a short queue, past which known tokens walk', async () => {
  const one = verifier();
  const known = await signed(ec, good);
  await one.verify(known);
  const fresh = await signed(ec, { ...good, jti: 'fresh' });
  const forged = await Promise.all(
    Array.from({ length: 500 }, (_, index) =>
      signed(stranger, { ...good, jti: `forged-${index}` }),
    ),
  );
  const answers = forged.map(async (token) =>
    one.verify(token).then(
      () => 'in',
      (error: { code: string }) => error.code,
    ),
  );
  // In the same turn: all of the flood is before it.
  const [first, second] = await Promise.allSettled([
    one.verify(known),
    one.verify(fresh),
  ]);
  expect(first.status).toBe('fulfilled');
  expect(second).toMatchObject({
    reason: { code: 'E3016', httpStatus: 503 },
  });
  const codes = await Promise.all(answers);
  expect(codes.filter((code) => code === 'E1023')).toHaveLength(64);
  expect(codes.filter((code) => code === 'E3016')).toHaveLength(436);
  await one.verify(fresh);
});

test('a feed that begins with many requests at once is no flood', async () => {
  const one = verifier();
  const token = await signed(ec, good);
  await Promise.all(Array.from({ length: 500 }, () => one.verify(token)));
  expect(one.keptCount).toBe(1);
  const bad = await signed(stranger, good);
  for (const { status } of await Promise.allSettled(
    Array.from({ length: 500 }, () => one.verify(bad)),
  )) {
    expect(status).toBe('rejected');
  }
  await one.verify(await signed(ec, { ...good, jti: 'next' }));
});

test('with the same keys and other revoked ids no signature is verified again', async () => {
  const one = verifier();
  const token = await signed(ec, good);
  await one.verify(token);
  const next = one.withRevoked(new Set(['token-1']));
  expect(next.keptCount).toBe(1);
  await expect(next.verify(token)).rejects.toThrow('it is revoked');
  await one.withRevoked(new Set()).verify(token);
});

describe('a key is refused', () => {
  test.each([
    ['that is private', () => ec.privatePem, 'this is a private key'],
    ['of RSA with 1024 bits', () => rsaKey(1024).publicPem, 'RSA key of 1024'],
    [
      'of Ed25519',
      () => testKey(generateKeyPairSync('ed25519'), 'EdDSA').publicPem,
      'a key of the type ed25519',
    ],
    [
      'of RSA-PSS',
      () =>
        testKey(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }), '')
          .publicPem,
      'a key of the type rsa-pss',
    ],
    [
      'of a curve of others',
      () => ecKey('secp256k1').publicPem,
      'an EC key of the curve secp256k1',
    ],
    ['that is a secret', () => 'hush', 'there is no public key'],
    [
      'that is damaged',
      () => ec.publicPem.replace(/\n.{10}/, '\n'),
      'is damaged',
    ],
    [
      'that is empty',
      () => '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n',
      'is damaged',
    ],
  ])('%s', (_, pem, reason) => {
    const text = pem();
    let failure: unknown;
    try {
      readVerifyingKey('k', text);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: 'E5016' });
    expect((failure as Error).message).toContain(reason);
    expect((failure as { line: string }).line).not.toContain(
      text.split('\n')[1] || 'hush',
    );
  });

  test('of RSA with the exponent 1, by which every number is a signature', () => {
    const jwk = rsa.privateKey.export({ format: 'jwk' });
    // 30 82 … of the SPKI form, with 01 for 01 00 01.
    const modulus = Buffer.from(jwk.n!, 'base64url');
    const integer = Buffer.concat([
      Buffer.from([0x02, 0x82, 0x01, 0x01, 0x00]),
      modulus,
      Buffer.from([0x02, 0x01, 0x01]),
    ]);
    const pkcs1 = Buffer.concat([
      Buffer.from([0x30, 0x82, integer.length >> 8, integer.length & 255]),
      integer,
    ]);
    const pem = `-----BEGIN RSA PUBLIC KEY-----\n${pkcs1.toString('base64')}\n-----END RSA PUBLIC KEY-----\n`;
    expect(() => readVerifyingKey('k', pem)).toThrow(/exponent 1|damaged/);
  });
});

describe('a schema is allowed', () => {
  const same = (a: string, b: string): boolean => a === b;
  test.each([
    [[['shop', 'public']], 'shop.public', true],
    [[['shop', 'public']], 'shop.Public', false],
    [[['shop', 'public']], 'shop', false],
    [[['shop', 'public']], 'shop.public.orders', false],
    [[['shop']], 'shop', true],
    [[['shop']], 'shop.public', false],
    [[['shop', '*']], 'shop.public', true],
    [[['shop', '*']], 'shop', false],
    [[['shop', '*']], 'shop2.public', false],
    [[['*', 'public']], 'any.public', true],
    [[['*', '*']], 'any.thing', true],
    [[['*', '*']], '_.diag', true],
    [[['*']], 'any.thing', false],
    [[['sh*', 'public']], 'shop.public', false],
    [[['_', 'diag']], 'shop.public', false],
    [[['a'], ['b', 'c']], 'b.c', true],
  ])('by %j: %s, %s', (schemas, requested, allowed) => {
    const claims = { id: 't', schemas, expiresAt: null, notBefore: null };
    expect(allowsSchema(claims, requested.split('.'), same)).toBe(allowed);
  });
});
