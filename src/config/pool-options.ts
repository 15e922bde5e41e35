import type { OptionEntry } from './option-entry.ts';

type PoolOptions<P extends string> = {
  readonly [
    K in `${P}${'IdleTime' | 'JitterTime' | 'MaxLifetime'}`
  ]: OptionEntry & {
    readonly type: 'duration';
  };
} & {
  readonly [K in `${P}MaxPoolSize`]: OptionEntry & { readonly type: 'int' };
};

/** The four pool options, the same for `staging` and `target`. */
export function poolOptions<const P extends 'staging' | 'target'>(
  prefix: P,
): PoolOptions<P> {
  const group = prefix === 'staging' ? 'Staging' : 'Target';
  return {
    [`${prefix}IdleTime`]: {
      type: 'duration',
      default: 60_000,
      min: 0,
      group,
      about: `Close a ${prefix} connection that was idle this long.`,
    },
    [`${prefix}JitterTime`]: {
      type: 'duration',
      default: 15_000,
      min: 0,
      group,
      about: `Vary --${prefix}MaxLifetime by up to this much, so that connections do not all end at once.`,
    },
    [`${prefix}MaxLifetime`]: {
      type: 'duration',
      default: 300_000,
      min: 0,
      group,
      about: `Replace a ${prefix} connection of this age when it is next returned; 0 keeps it.`,
    },
    [`${prefix}MaxPoolSize`]: {
      type: 'int',
      default: 128,
      min: 1,
      group,
      unit: 'connections',
      about: `The most connections to the ${prefix} database.`,
    },
  } satisfies Record<string, OptionEntry> as unknown as PoolOptions<P>;
}
