/**
 * The TLS parameters of a database address, with libpq's documented meaning
 * for every engine: it is what all other tools of the operator use.
 */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import { ReplicatorError } from '../../failure/failure.ts';

const sslModes = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
] as const;
type SslMode = (typeof sslModes)[number];

/** The parameters that {@link tlsAttempts} reads. */
export const tlsParameters = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
] as const;

/** Files that count where the address names none. */
export interface DefaultFiles {
  readonly root?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** Node's verdict on the certificate of the server. */
export function isCertificateRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' &&
    /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME)/.test(code)
  );
}

/**
 * Ways to connect, in the order in which libpq tries them; false is cleartext.
 * Throws E5002, E5005 or E5007.
 */
export function tlsAttempts(
  parameters: ReadonlyMap<string, string>,
  option: string,
  defaults: DefaultFiles = {},
): (ConnectionOptions | false)[] {
  const mode = (parameters.get('sslmode') ?? 'prefer') as SslMode;
  switch (mode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, tlsOptions(mode, { parameters, option, defaults })];
    case 'prefer':
      return [tlsOptions(mode, { parameters, option, defaults }), false];
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return [tlsOptions(mode, { parameters, option, defaults })];
    default:
      throw new ReplicatorError('E5002', {
        detail: `the sslmode of ${option} is not known`,
        remedy: `use one of ${sslModes.join(', ')}`,
      });
  }
}

function tlsOptions(
  mode: SslMode,
  {
    parameters,
    option,
    defaults,
  }: {
    readonly parameters: ReadonlyMap<string, string>;
    readonly option: string;
    readonly defaults: DefaultFiles;
  },
): ConnectionOptions {
  const rootFile = parameters.get('sslrootcert') ?? defaults.root;
  const certificateFile = parameters.get('sslcert') ?? defaults.certificate;
  const keyFile = parameters.get('sslkey') ?? defaults.key;
  // libpq: with a root certificate, `require` verifies the chain too.
  const verifiesChain =
    mode === 'verify-full' ||
    mode === 'verify-ca' ||
    (mode === 'require' && rootFile !== undefined);
  if (
    verifiesChain &&
    mode !== 'verify-full' &&
    (rootFile === undefined || rootFile === 'system')
  ) {
    throw new ReplicatorError('E5007', {
      detail: `${option}: sslmode=${mode} without a root certificate of one's own trusts every holder of a public certificate`,
      remedy: 'use sslmode=verify-full, or name the CA with sslrootcert',
    });
  }
  return {
    rejectUnauthorized: verifiesChain,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(verifiesChain && { ca: trustedRoots(rootFile, option) }),
    ...(certificateFile &&
      keyFile && {
        cert: readPem(certificateFile, option),
        key: readPem(keyFile, option),
      }),
  };
}

/** Without a file, what Node and the operating system trust. */
function trustedRoots(
  rootFile: string | undefined,
  option: string,
): string | string[] {
  return rootFile === undefined || rootFile === 'system'
    ? [...getCACertificates('default'), ...getCACertificates('system')]
    : readPem(rootFile, option);
}

function readPem(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ReplicatorError('E5005', {
      detail: `${option} names the certificate file ${file}, which cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      cause,
    });
  }
}
