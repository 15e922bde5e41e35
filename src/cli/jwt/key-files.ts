/** Keys as files: read with care, written for their owner alone. */
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { chmod, mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { ReplicatorError } from '../../failure/failure.ts';
import { algorithmsOf } from '../../source/changefeed/callers/verifying-key.ts';

export interface SigningKey {
  readonly key: KeyObject;
  /** The first that the key serves: `ES256`, `RS256`. */
  readonly algorithm: string;
}

/** Throws E5005 or E5016; nothing of the file gets into the error. */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const pem = await readKeyFile(path, '--key');
  if (/ENCRYPTED/.test(pem)) {
    throw new ReplicatorError('E5016', {
      detail: `the key in ${path} is encrypted`,
      remedy: `decrypt it first: openssl pkey -in ${path} -out plain.pem`,
    });
  }
  if (!/-----BEGIN (\w+ )?PRIVATE KEY-----/.test(pem)) {
    throw new ReplicatorError('E5016', {
      detail: `there is no private key in ${path}`,
      remedy:
        'give the private key of the pair, which signs: replicator jwt add-key --generate calls it token-key.pem',
    });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new ReplicatorError('E5016', {
      detail: `the private key in ${path} is damaged`,
    });
  }
  return { key, algorithm: algorithmsOf(key).algorithms[0]! };
}

/** Throws E5005, which names the option and the path. */
export async function readKeyFile(
  path: string,
  option: string,
): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw fileFailure(`${option} ${path} cannot be read`, cause);
  }
}

/** One line where others than the owner may read the file; else null. */
export async function laxModeWarning(path: string): Promise<string | null> {
  const { mode } = await stat(path);
  return (mode & 0o077) === 0
    ? null
    : `others than its owner may read ${path}, and whoever reads it can make tokens: chmod 600 ${path}`;
}

/** Writes (anew) what only the owner may read. Throws E5005. */
export async function writeSecretFile(
  path: string,
  text: string,
): Promise<void> {
  try {
    // The mode first: a file that is there may be open to others.
    await using file = await open(path, 'a', 0o600);
    await file.chmod(0o600);
    await file.truncate();
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    throw fileFailure(`${path} cannot be written`, cause);
  }
}

export interface NewKeyPair {
  readonly publicPem: string;
  readonly privatePath: string;
  readonly publicPath: string;
  /** Throws E5005; a key that is there is never written over. */
  write(): Promise<void>;
}

/** A key pair of EC P-256 for a folder, which is made where it is not there. */
export function newKeyPair(folder: string): NewKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
  });
  const privatePath = join(folder, 'token-key.pem');
  const publicPath = join(folder, 'token-key.pub.pem');
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return {
    publicPem,
    privatePath,
    publicPath,
    async write() {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeNew(
          privatePath,
          privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
          0o600,
        );
        await writeNew(publicPath, publicPem, 0o644);
      } catch (cause) {
        throw fileFailure(`the key pair cannot be written to ${folder}`, cause);
      }
    },
  };
}

async function writeNew(
  path: string,
  text: string,
  mode: number,
): Promise<void> {
  await using file = await open(path, 'wx', mode);
  await file.writeFile(text);
  await file.sync();
  // The umask may have taken more than it should.
  await chmod(path, mode);
}

function fileFailure(what: string, cause: unknown): ReplicatorError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new ReplicatorError('E5005', {
    detail: `${what} (${code})`,
    cause,
    ...(code === 'EEXIST' && {
      remedy: 'a key that is there is never written over: name another folder',
    }),
  });
}
