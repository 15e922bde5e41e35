/** What preflight finds at staging. Makes and migrates nothing. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { askedOfCallers } from '../../config/check.ts';
import type { StartValues } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { formatByteSize } from '../../lib/byte-size.ts';
import { openStaging } from '../../staging/open.ts';
import type { Finding } from '../../failure/finding.ts';

export async function stagingFindings(
  values: StartValues & { readonly publicationName: string },
  /** The account has all that start needs to make what is missing. */
  mayMake: boolean,
  signal: AbortSignal,
): Promise<Finding[]> {
  const embedded = values.stagingConn === '';
  const findings = embedded ? dataDirFindings(values) : [];
  if (findings.some(({ level }) => level === 'error')) {
    return findings;
  }
  try {
    await using store = await openStaging(
      {
        stagingConn: values.stagingConn,
        dataDir: values.dataDir,
        stagingSchema: values.stagingSchema,
        createSchema: false,
        exclusive: false,
        pool: {
          idleTimeMs: values.stagingIdleTime,
          jitterTimeMs: values.stagingJitterTime,
          maxLifetimeMs: values.stagingMaxLifetime,
          maxPoolSize: values.stagingMaxPoolSize,
        },
      },
      signal,
    );
    await store.ping(signal);
    const { liveBytes, rowCount } = await store.size(undefined, signal);
    findings.push({
      level: 'ok',
      subject: 'staging',
      text: `${embedded ? `the store under ${resolve(values.dataDir)}` : `schema ${values.stagingSchema}`} answers and is of this version; it holds ${rowCount} rows`,
    });
    const hasCallers = values.publicationName === '';
    if (hasCallers && askedOfCallers(values).includes('token')) {
      const keys = await store.tokens.keys(signal);
      if (!keys.some(({ isActive }) => isActive)) {
        findings.push({
          level: 'warn',
          subject: 'staging',
          text: 'callers are asked for a token, and no key is active to verify one with: every request is answered 401',
          remedy:
            'add one with replicator jwt add-key, or ask for client certificates (--tlsClientCA)',
        });
      }
    }
    if (liveBytes >= values.stagingMaxBytes) {
      findings.push({
        level: 'warn',
        subject: 'staging',
        text: 'staging is as full as --stagingMaxBytes allows',
        remedy:
          'raise --stagingMaxBytes, or find out why the target does not keep up',
      });
    }
  } catch (error) {
    findings.push(absentStore(error, values, mayMake));
  }
  return findings;
}

/** A store that is not there yet is no fault where start would make it. */
function absentStore(
  error: unknown,
  values: StartValues,
  mayMake: boolean,
): Finding {
  if (!(error instanceof ReplicatorError) || error.code !== 'E2004') {
    throw error;
  }
  return values.stagingConn === '' || mayMake
    ? {
        level: 'ok',
        subject: 'staging',
        text: `there is no ${values.stagingConn === '' ? 'store' : `schema ${values.stagingSchema}`} of this version yet: start makes it`,
      }
    : {
        level: 'error',
        subject: 'staging',
        text: `${error.code} ${error.message}`,
        remedy: error.remedy,
      };
}

function dataDirFindings(values: StartValues): Finding[] {
  const path = resolve(values.dataDir);
  // start makes the last part of the path only.
  const present = existsSync(path) ? path : dirname(path);
  try {
    accessSync(present, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    throw new ReplicatorError('E5009', {
      detail: existsSync(present)
        ? `${present} may not be written to by this user`
        : `${present} does not exist`,
    });
  }
  const disk = statfsSync(present);
  const freeBytes = disk.bavail * disk.bsize;
  return freeBytes >= values.stagingMaxBytes
    ? []
    : [
        {
          level: 'warn',
          subject: 'staging',
          text: `the disk of ${path} has ${formatByteSize(Math.floor(freeBytes / 2 ** 20) * 2 ** 20)} free, less than --stagingMaxBytes ${formatByteSize(values.stagingMaxBytes)}`,
          remedy: 'lower --stagingMaxBytes to what the disk can hold',
        },
      ];
}
