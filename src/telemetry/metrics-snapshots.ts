/**
 * All metrics written to files from time to time, for support where nobody
 * runs a Prometheus server:
 * `<dataDir>/metrics-snapshots/snapshot-YYYYMMDDTHHMMSS.mmmZ.txt[.gz]`.
 */
import {
  mkdir,
  readdir,
  rename,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { MetricsValues } from '../config/options.ts';
import { formatByteSize } from '../lib/byte-size.ts';
import { formatDuration } from '../lib/duration.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const compress = promisify(gzip);
const snapshotPattern =
  /^snapshot-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)\.txt(\.gz)?$/;

export type SnapshotOptions = Pick<
  MetricsValues,
  | 'metricsSnapshotPeriod'
  | 'metricsSnapshotCompression'
  | 'metricsSnapshotRetentionTime'
  | 'metricsSnapshotRetentionSize'
> & { readonly dataDir: string };

/**
 * Writes one snapshot a period until disposed, which writes a last one;
 * nothing when the period is 0. A failure is logged and the next period
 * tries anew: telemetry never stops the daemon.
 */
export function startMetricsSnapshots(
  metrics: Metrics,
  options: SnapshotOptions,
  logger: Logger,
): AsyncDisposable {
  const periodMs = options.metricsSnapshotPeriod;
  if (periodMs === 0) {
    return { [Symbol.asyncDispose]: async () => {} };
  }
  // One at a time: the disk may be slower than the period.
  let writing: Promise<void> | null = null;
  const timer = setInterval(() => {
    writing ??= writeAndRetire(metrics, options, logger).finally(() => {
      writing = null;
    });
  }, periodMs);
  timer.unref();
  logger.info(
    `metrics snapshotter started, writing to ${join(options.dataDir, 'metrics-snapshots')} every ${formatDuration(periodMs)}, retaining ${retentionText(options)}`,
  );
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await writing;
      await writeAndRetire(metrics, options, logger);
      logger.info('metrics snapshotter stopped');
    },
  };
}

async function writeAndRetire(
  metrics: Metrics,
  options: SnapshotOptions,
  logger: Logger,
): Promise<void> {
  try {
    await writeSnapshot(metrics, options, new Date());
    await retireSnapshots(options, Date.now());
  } catch (error) {
    logger.warn({ err: error }, 'a metrics snapshot could not be written');
  }
}

function retentionText(options: SnapshotOptions): string {
  const rules: string[] = [];
  if (options.metricsSnapshotRetentionTime > 0) {
    rules.push(formatDuration(options.metricsSnapshotRetentionTime));
  }
  if (options.metricsSnapshotRetentionSize > 0) {
    rules.push(formatByteSize(options.metricsSnapshotRetentionSize));
  }
  return rules.join(' and ');
}

/** Writes one snapshot, whole or not at all, and returns its path. */
export async function writeSnapshot(
  metrics: Metrics,
  options: SnapshotOptions,
  time: Date,
): Promise<string> {
  const folder = join(options.dataDir, 'metrics-snapshots');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const text = await metrics.registry.metrics();
  const gzipped = options.metricsSnapshotCompression === 'gzip';
  const stamp = time.toISOString().replaceAll(/[-:]/g, '');
  const path = join(folder, `snapshot-${stamp}.txt${gzipped ? '.gz' : ''}`);
  await writeFile(`${path}.part`, gzipped ? await compress(text) : text, {
    mode: 0o600,
  });
  await rename(`${path}.part`, path);
  return path;
}

/** Deletes the oldest first, by age and then by total size; not the newest. */
export async function retireSnapshots(
  options: SnapshotOptions,
  nowMs: number,
): Promise<void> {
  const folder = join(options.dataDir, 'metrics-snapshots');
  const names = (await readdir(folder))
    .filter((name) => snapshotPattern.test(name))
    .toSorted()
    .toReversed();
  const maxAgeMs = options.metricsSnapshotRetentionTime;
  const maxBytes = options.metricsSnapshotRetentionSize;
  let totalBytes = 0;
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    totalBytes += (await stat(path)).size;
    const tooOld = maxAgeMs > 0 && nowMs - timeOf(name) > maxAgeMs;
    const tooMuch = maxBytes > 0 && totalBytes > maxBytes;
    if (index > 0 && (tooOld || tooMuch)) {
      await unlink(path);
    }
  }
}

function timeOf(name: string): number {
  const [, year, month, day, hour, minute, seconds] =
    snapshotPattern.exec(name)!;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${seconds}`);
}
