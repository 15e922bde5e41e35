/** What one option is: the row type of every option table. */

interface EntryBase {
  /** The heading under which help and docs show it. */
  readonly group: OptionGroup;
  /** One paragraph for help and docs/options.md. */
  readonly about: string;
  /** One letter for the command line: `v` for `-v`. */
  readonly short?: string;
  /**
   * Never printed. Its value may also be `env:NAME` or `file:PATH`, so that
   * it need not stand in the process list.
   */
  readonly secret?: true;
  /** Understood, but shown neither in help nor in docs. */
  readonly hidden?: true;
}

interface NumberEntry extends EntryBase {
  readonly default: number;
  /** Smaller values are refused. */
  readonly min?: number;
  readonly max?: number;
  /** Values that stand for "the default", as at the peer. */
  readonly defaultsFor?: 'zero' | 'zero-or-less' | 'less-than-zero';
}

export type OptionEntry =
  | (EntryBase & {
      readonly type: 'string';
      readonly default: string;
      /** Of several flags each counts: they are joined by commas. */
      readonly repeatable?: true;
      /**
       * Narrows who is let in, and everybody is let in where it is left out:
       * an empty value, which elsewhere is none, is refused.
       */
      readonly refusesEmpty?: true;
    })
  | (EntryBase & { readonly type: 'boolean'; readonly default: boolean })
  | (NumberEntry & { readonly type: 'int'; readonly unit?: string })
  | (NumberEntry & { readonly type: 'float'; readonly unit?: string })
  /** Typed in Go style, held in milliseconds. */
  | (NumberEntry & { readonly type: 'duration' })
  /** Typed as `10GiB`, held in bytes; empty is 0. */
  | (NumberEntry & { readonly type: 'bytes' })
  /** How often a flag stands on the command line. */
  | (EntryBase & { readonly type: 'count'; readonly default: number })
  | (EntryBase & {
      readonly type: 'enum';
      readonly default: string;
      readonly values: readonly string[];
    });

export type OptionTable = Readonly<Record<string, OptionEntry>>;

type ValueOf<E extends OptionEntry> = E extends { type: 'enum' }
  ? E['values'][number]
  : E extends { type: 'string' }
    ? string
    : E extends { type: 'boolean' }
      ? boolean
      : number;

/**
 * The values of a table: durations in milliseconds, sizes in bytes, nothing
 * optional. What was not given holds its default.
 */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: ValueOf<T[K]>;
};

/** In the order in which help shows them. */
export const optionGroups = [
  'Command',
  'Source',
  'Target',
  'Staging',
  'HTTP',
  'Sequencer',
  'Retries',
  'Limits',
  'Metrics',
  'Global',
] as const;
export type OptionGroup = (typeof optionGroups)[number];
