/**
 * What the options of `start` must fulfil together, looked at before anything
 * is opened or written. One clear line each, with the remedy.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { formatByteSize } from '../lib/byte-size.ts';
import { parseAllowedSubjects } from './allowed-subjects.ts';
import { isLoopback, parseListenAddress } from './listen-address.ts';
import type {
  HttpValues,
  MetricsValues,
  PglogicalValues,
  SlotSequencerValues,
  StartValues,
  TargetValues,
} from './options.ts';

/** Peer rule: more transactions than this starve the other users of the pool. */
const parallelismShare = 0.8;
const minSnapshotPeriodMs = 15_000;

/**
 * Throws E5002, E5003, E5004 or E5007. Returns what is allowed but should be
 * logged loudly at start, one line each.
 */
export function checkStartOptions(values: StartValues): string[] {
  checkDatabases(values);
  checkModes(values);
  checkTls(values);
  checkCallers(values);
  checkSubjects(values);
  checkAddresses(values);
  checkMetrics(values);
  return warningsOf(values);
}

/** The same for `pglogical`. Throws E5002, E5003 or E5004. */
export function checkPglogicalOptions(values: PglogicalValues): void {
  for (const [option, example] of [
    [
      'sourceConn',
      'env:SOURCE_URL with SOURCE_URL=postgresql://<user>:<password>@<host>/<database>',
    ],
    ['publicationName', 'the name in CREATE PUBLICATION … FOR TABLE …'],
    ['targetSchema', '<database>.<schema>, for instance shop.public'],
    ['slotName', 'replicator'],
  ] as const) {
    if (values[option] === '') {
      throw new ReplicatorError('E5004', {
        detail: `--${option} must be given`,
        remedy: `give --${option}: ${example}`,
      });
    }
  }
  if (!/^[a-z0-9_]{1,63}$/.test(values.slotName)) {
    throw new ReplicatorError('E5002', {
      detail: `--slotName ${JSON.stringify(values.slotName)} is not the name of a slot`,
      remedy: 'give lower-case letters, digits and underscores, 63 at most',
    });
  }
  checkDatabases(values);
  checkMetrics(values);
}

/** Throws E5004 where there is none. */
export function checkTargetGiven({ targetConn }: { targetConn: string }): void {
  if (targetConn === '') {
    throw new ReplicatorError('E5004', {
      detail: '--targetConn must be given',
      remedy:
        'give the address of the target, for instance --targetConn env:TARGET_URL with TARGET_URL=postgresql://<user>:<password>@<host>/<database>',
    });
  }
}

/** Throws E5002 or E5003 where rows set aside would have no table of their own. */
export function checkDeadLetterTable(dlqTableName: string): void {
  if (dlqTableName === '') {
    throw new ReplicatorError('E5002', {
      detail: '--dlqTableName is empty',
      remedy: 'leave it out, or name a table: its schema is the target schema',
    });
  }
  if (dlqTableName.toLowerCase() === 'replicator_checkpoint') {
    throw contradiction(
      `--dlqTableName ${dlqTableName} is the table of the watermark`,
      'choose another name',
    );
  }
}

/** The part that concerns the databases alone, for preflight too. */
export function checkDatabases(
  values: TargetValues & SlotSequencerValues,
): void {
  checkTargetGiven(values);
  checkDeadLetterTable(values.dlqTableName);
  const most = Math.floor(values.targetMaxPoolSize * parallelismShare);
  if (values.parallelism > most) {
    throw contradiction(
      `--parallelism ${values.parallelism} is more than 80 % of --targetMaxPoolSize ${values.targetMaxPoolSize}`,
      most < 1
        ? 'raise --targetMaxPoolSize to 2 or more'
        : `lower --parallelism to ${most}, or raise --targetMaxPoolSize to ${Math.ceil(values.parallelism / parallelismShare)}`,
    );
  }
  if (values.retryMaxBackoff < values.retryInitialBackoff) {
    throw contradiction(
      '--retryMaxBackoff is less than --retryInitialBackoff',
      'raise --retryMaxBackoff',
    );
  }
}

function checkModes(values: StartValues): void {
  const bestEffort = values.bestEffortOnly
    ? '--bestEffortOnly'
    : values.bestEffortWindow > 0
      ? '--bestEffortWindow'
      : null;
  if (bestEffort !== null && values.immediate) {
    throw contradiction(
      `--immediate and ${bestEffort} contradict each other`,
      `leave --immediate out, so that tables linked by foreign keys keep their order, or give --immediate alone`,
    );
  }
  if (bestEffort !== null && !values.collapseMutations) {
    throw contradiction(
      `--collapseMutations=false and ${bestEffort} contradict each other: a row that goes ahead passes over its older versions`,
      `leave ${bestEffort} out where triggers at the target must see each change`,
    );
  }
  if (values.immediateForeignKeys && !values.immediate) {
    throw contradiction(
      '--immediateForeignKeys means nothing without --immediate',
      'leave it out',
    );
  }
}

function checkTls(values: HttpValues): void {
  if ((values.tlsCertificate === '') !== (values.tlsPrivateKey === '')) {
    const [given, missing] =
      values.tlsCertificate === ''
        ? ['tlsPrivateKey', 'tlsCertificate']
        : ['tlsCertificate', 'tlsPrivateKey'];
    throw contradiction(
      `--${given} is given without --${missing}`,
      `give --${missing} too: the two belong together`,
    );
  }
  if (values.tlsSelfSigned && values.tlsCertificate !== '') {
    throw contradiction(
      '--tlsSelfSigned and --tlsCertificate contradict each other',
      'leave --tlsSelfSigned out to use the certificate',
    );
  }
  if (hasTls(values)) {
    return;
  }
  if (values.tlsClientCA !== '') {
    throw contradiction(
      '--tlsClientCA asks for client certificates, which need TLS',
      'give --tlsCertificate and --tlsPrivateKey too',
    );
  }
  const address = parseListenAddress(values.bindAddr, 'bindAddr');
  if (!isLoopback(address) && !values.insecureHttp) {
    throw new ReplicatorError('E5007', {
      detail: `other machines reach --bindAddr ${values.bindAddr}, and without TLS rows would travel in cleartext`,
      remedy:
        'give --tlsCertificate and --tlsPrivateKey (to try things out: --tlsSelfSigned), bind to 127.0.0.1, or accept it with --insecureHttp',
    });
  }
}

function checkCallers(values: HttpValues): void {
  if (values.disableAuthentication) {
    for (const [option, value] of [
      ['tlsClientCA', values.tlsClientCA],
      ['authentication', values.authentication],
    ] as const) {
      if (value !== '') {
        throw contradiction(
          `--${option} asks callers who they are and --disableAuthentication lets anyone in`,
          'leave one of the two out',
        );
      }
    }
    return;
  }
  const { authentication, tlsClientCA } = values;
  if (tlsClientCA === '' && /^(certificate|both)$/.test(authentication)) {
    throw contradiction(
      `--authentication ${authentication} asks for client certificates, and without --tlsClientCA none could be verified`,
      'give --tlsClientCA, or --authentication token',
    );
  }
  if (tlsClientCA !== '' && authentication === 'token') {
    throw contradiction(
      '--authentication token looks at no client certificate, and --tlsClientCA asks for one',
      'give --authentication both to ask for the two, or leave --tlsClientCA out',
    );
  }
}

/** Throws E5002 or E5003 where rules would never be asked. */
function checkSubjects(values: HttpValues): void {
  if (values.tlsAllowedSubjects === '') {
    return;
  }
  parseAllowedSubjects(values.tlsAllowedSubjects);
  if (!askedOfCallers(values).includes('certificate')) {
    throw contradiction(
      '--tlsAllowedSubjects speaks of client certificates, and none are asked for',
      'give --tlsClientCA (and --authentication certificate or both), or leave it out',
    );
  }
}

/** What callers must show; empty where nobody is asked. */
export function askedOfCallers(
  values: Pick<
    HttpValues,
    'authentication' | 'tlsClientCA' | 'disableAuthentication'
  >,
): readonly ('certificate' | 'token')[] {
  if (values.disableAuthentication) {
    return [];
  }
  switch (values.authentication) {
    case 'certificate':
    case 'token':
      return [values.authentication];
    case 'both':
      return ['certificate', 'token'];
    case '':
      return [values.tlsClientCA === '' ? 'token' : 'certificate'];
    default:
      return values.authentication satisfies never;
  }
}

function checkAddresses(values: MetricsValues & HttpValues): void {
  parseListenAddress(values.bindAddr, 'bindAddr');
  if (values.metricsAddr !== '') {
    const metrics = parseListenAddress(values.metricsAddr, 'metricsAddr');
    if (values.metricsAddr === values.bindAddr && metrics.port !== 0) {
      throw contradiction(
        '--metricsAddr is the same address as --bindAddr',
        'leave --metricsAddr out: without it /_/varz is served on --bindAddr',
      );
    }
  }
}

function checkMetrics(values: MetricsValues): void {
  if (values.metricsAddr !== '') {
    parseListenAddress(values.metricsAddr, 'metricsAddr');
  }
  if (values.metricsSnapshotPeriod === 0) {
    return;
  }
  if (values.metricsSnapshotPeriod < minSnapshotPeriodMs) {
    throw new ReplicatorError('E5002', {
      detail: '--metricsSnapshotPeriod is less than 15s',
      remedy: 'give 15s or more, or 0 for none',
    });
  }
  if (values.metricsAddr === '') {
    throw contradiction(
      '--metricsSnapshotPeriod needs --metricsAddr',
      'give --metricsAddr 127.0.0.1:30005, for instance',
    );
  }
  if (
    values.metricsSnapshotRetentionTime === 0 &&
    values.metricsSnapshotRetentionSize === 0
  ) {
    throw contradiction(
      'metrics snapshots would fill the disk: both retention rules are off',
      'give --metricsSnapshotRetentionTime or --metricsSnapshotRetentionSize',
    );
  }
}

function warningsOf(values: StartValues): string[] {
  const warnings: string[] = [];
  if (values.assumeIdempotent && !values.immediate) {
    warnings.push('--assumeIdempotent means nothing without --immediate');
  }
  if (values.discard) {
    warnings.push(
      '--discard: every change is answered 200 and THROWN AWAY; nothing reaches the target',
    );
  }
  if (values.disableAuthentication) {
    warnings.push(
      '--disableAuthentication: anyone who reaches --bindAddr can write to the target',
    );
  }
  if (!hasTls(values) && values.insecureHttp) {
    warnings.push(
      askedOfCallers(values).includes('token')
        ? '--insecureHttp: rows travel in cleartext, and so do the tokens of callers: who listens can send too'
        : '--insecureHttp: rows travel in cleartext',
    );
  }
  if (values.tlsSelfSigned) {
    warnings.push(
      '--tlsSelfSigned: the changefeed cannot verify this server; for trying things out only',
    );
  }
  if (values.maxInflatedBytes > values.memoryLimit) {
    warnings.push(
      `--maxInflatedBytes ${formatByteSize(values.maxInflatedBytes)} is more than --memoryLimit ${formatByteSize(values.memoryLimit)}: a request of that size is handled alone`,
    );
  }
  return warnings;
}

/** The options that stand behind `replicator_insecure_mode`. */
export function insecureOptions(values: HttpValues): string[] {
  const insecure = values.discard ? ['discard'] : [];
  if (values.disableAuthentication) {
    insecure.push('disableAuthentication');
  }
  if (!hasTls(values) && values.insecureHttp) {
    insecure.push('insecureHttp');
  }
  if (values.tlsSelfSigned) {
    insecure.push('tlsSelfSigned');
  }
  return insecure;
}

function hasTls(values: HttpValues): boolean {
  return values.tlsSelfSigned || values.tlsCertificate !== '';
}

function contradiction(detail: string, remedy: string): ReplicatorError {
  return new ReplicatorError('E5003', { detail, remedy });
}
