/**
 * The door of `config/`: which options there are. Flags, environment names,
 * config file keys, help, docs/options.md, redaction and the TypeScript types
 * all derive from these tables (design D12).
 *
 * Names and meanings are the peer's; ours are added, never renamed.
 */
import { globalOptions, metricsOptions } from './global-options.ts';
import { httpOptions } from './http-options.ts';
import type { OptionTable, OptionValues } from './option-entry.ts';
import { sequencerOptions } from './sequencer-options.ts';
import { stagingOptions } from './staging-options.ts';
import { targetOptions } from './target-options.ts';

export type { OptionEntry, OptionTable, OptionValues } from './option-entry.ts';
export {
  globalOptions,
  httpOptions,
  metricsOptions,
  sequencerOptions,
  stagingOptions,
  targetOptions,
};

export const startOptions = {
  ...targetOptions,
  ...stagingOptions,
  ...httpOptions,
  ...sequencerOptions,
  ...metricsOptions,
  ...globalOptions,
} as const satisfies OptionTable;

/** Every flag of `start`, so that the same command line can be tried out. */
export const preflightOptions = startOptions;

const {
  // What only a daemon does.
  stagingCreateSchema: _create,
  stagingMaxBytes: _maxBytes,
  stageUnappliedPeriod: _unapplied,
  ...stagingAddressOptions
} = stagingOptions;

/** For `staging list|peek|purge`; each adds its own. */
export const stagingCommandOptions = {
  ...stagingAddressOptions,
  ...globalOptions,
} as const satisfies OptionTable;

export type StartValues = OptionValues<typeof startOptions>;
export type StagingValues = OptionValues<typeof stagingOptions>;
export type TargetValues = OptionValues<typeof targetOptions>;
export type SequencerValues = OptionValues<typeof sequencerOptions>;
export type HttpValues = OptionValues<typeof httpOptions>;
export type MetricsValues = OptionValues<typeof metricsOptions>;
export type GlobalValues = OptionValues<typeof globalOptions>;

/** The typed values of a command whose `options` contain this table. */
export function valuesOf<T extends OptionTable>(
  _table: T,
  values: Readonly<Record<string, unknown>>,
): OptionValues<T> {
  return values as OptionValues<T>;
}
