import { readFile } from 'node:fs/promises';

import { ReplicatorError } from '../../../failure/failure.ts';

/** PEM files of the listener; null where an option is not given. */
export interface TlsFiles {
  readonly certificate: string | null;
  readonly privateKey: string | null;
  readonly clientCA: string | null;
}

export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

/** Reads the PEM files; E5005 names the one that cannot be read. */
export async function readTlsFiles<T extends TlsFiles>(
  files: T,
): Promise<{
  cert: T['certificate'];
  key: T['privateKey'];
  ca: T['clientCA'];
}> {
  const read = async <T extends string | null>(
    option: string,
    path: T,
  ): Promise<T> => {
    if (path === null) {
      return path;
    }
    try {
      return (await readFile(path, 'utf8')) as T;
    } catch (error) {
      throw new ReplicatorError('E5005', {
        detail: `--${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        cause: error,
      });
    }
  };
  return {
    cert: await read('tlsCertificate', files.certificate),
    key: await read('tlsPrivateKey', files.privateKey),
    ca:
      files.clientCA === null
        ? null
        : await read('tlsClientCA', files.clientCA),
  };
}
