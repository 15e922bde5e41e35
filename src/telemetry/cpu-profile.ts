/**
 * Where the processor's time goes, for support and for our own work on speed:
 * `<dataDir>/profile-YYYYMMDDTHHMMSS.mmmZ.cpuprofile`, which Chrome's and VS
 * Code's developer tools open. It holds names of functions and files, no data.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { formatDuration } from '../lib/duration.ts';
import type { Logger } from './logger.ts';

/** Short enough for one row's way, long enough to cost a few per cent. */
const sampleIntervalMicros = 500;

export interface CpuProfileOptions {
  readonly dataDir: string;
  /** For so long; 0 is not at all. */
  readonly profile: number;
}

/**
 * Profiles until the time is over, or until disposed. A failure is logged:
 * telemetry never stops the daemon.
 */
export async function startCpuProfile(
  { dataDir, profile: lengthMs }: CpuProfileOptions,
  logger: Logger,
): Promise<AsyncDisposable> {
  if (lengthMs === 0) {
    return { [Symbol.asyncDispose]: async () => {} };
  }
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  let writing: Promise<void> | null = null;
  const end = (): Promise<void> => (writing ??= write());
  async function write(): Promise<void> {
    try {
      const { profile } = await session.post('Profiler.stop');
      const stamp = new Date().toISOString().replaceAll(/[-:]/g, '');
      const path = join(dataDir, `profile-${stamp}.cpuprofile`);
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      // At once: it is the process' last breath when a run ends.
      writeFileSync(path, JSON.stringify(profile), { mode: 0o600 });
      logger.info(`the CPU profile is in ${path}`);
    } catch (error) {
      logger.warn({ err: error }, 'the CPU profile could not be written');
    } finally {
      session.disconnect();
    }
  }
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', {
    interval: sampleIntervalMicros,
  });
  await session.post('Profiler.start');
  const timer = setTimeout(() => void end(), lengthMs);
  timer.unref();
  logger.info(`a CPU profile is taken for ${formatDuration(lengthMs)}`);
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await end();
    },
  };
}
