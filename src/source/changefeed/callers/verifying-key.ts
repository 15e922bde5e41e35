import { createPublicKey, type KeyObject } from 'node:crypto';

import { ReplicatorError } from '../../../failure/failure.ts';

/**
 * A public key that tokens may be verified with. The key says which algorithms
 * it serves; what a token says of itself only chooses among those, so that no
 * token turns a public key into a shared secret, or asks for no signature.
 */
export interface VerifyingKey {
  readonly id: string;
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
  /** For the eye: `EC P-256`, `RSA 2048`. */
  readonly kind: string;
}

const rsaAlgorithms = ['RS256', 'RS384', 'RS512'];
/** By the name that OpenSSL gives the curve. */
const curves: Readonly<Record<string, { kind: string; algorithm: string }>> = {
  prime256v1: { kind: 'EC P-256', algorithm: 'ES256' },
  secp384r1: { kind: 'EC P-384', algorithm: 'ES384' },
  secp521r1: { kind: 'EC P-521', algorithm: 'ES512' },
};
const minModulusBits = 2048;
/** A larger one only makes each forged token dear to refuse. */
const maxModulusBits = 8192;

/** Reads PEM text; throws E5016 for what may not verify tokens. */
export function readVerifyingKey(id: string, pem: string): VerifyingKey {
  // Anything else that OpenSSL would find a public key in is a mistake: above
  // all a private key, which has no business in a table of public ones.
  if (!/^\s*-----BEGIN (RSA )?PUBLIC KEY-----/.test(pem)) {
    throw new ReplicatorError('E5016', {
      detail: /PRIVATE KEY-----/.test(pem)
        ? 'this is a private key, and a public one is asked for'
        : 'there is no public key in PEM form (-----BEGIN PUBLIC KEY-----)',
      remedy:
        'give the public key: openssl pkey -in private.pem -pubout -out public.pem',
    });
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new ReplicatorError('E5016', {
      detail: 'the PEM text of the public key is damaged',
      cause,
    });
  }
  return { id, key, ...algorithmsOf(key) };
}

/** Which algorithms a key serves, public or private; throws E5016 for none. */
export function algorithmsOf(
  key: KeyObject,
): Pick<VerifyingKey, 'algorithms' | 'kind'> {
  const { asymmetricKeyType: type = 'secret', asymmetricKeyDetails = {} } = key;
  const {
    namedCurve = 'unknown',
    modulusLength: bits = 0,
    publicExponent = 0n,
  } = asymmetricKeyDetails;
  if (type === 'ec') {
    const curve = Object.hasOwn(curves, namedCurve) ? curves[namedCurve] : null;
    if (!curve) {
      throw unfit(`an EC key of the curve ${namedCurve}`);
    }
    return { kind: curve.kind, algorithms: [curve.algorithm] };
  }
  if (type !== 'rsa') {
    throw unfit(`a key of the type ${type}`);
  }
  // With the exponent 1 every number is its own signature.
  if (bits < minModulusBits || bits > maxModulusBits || publicExponent < 3n) {
    throw unfit(
      `an RSA key of ${bits} bits with the exponent ${publicExponent}`,
    );
  }
  return { kind: `RSA ${bits}`, algorithms: rsaAlgorithms };
}

function unfit(what: string): ReplicatorError {
  return new ReplicatorError('E5016', {
    detail: `${what} serves for no token`,
  });
}
