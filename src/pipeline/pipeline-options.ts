import type { BestEffortOptions } from '../sequencer/ahead/mode-switch.ts';
import type { SequencerOptions } from '../sequencer/sequencer.ts';

export interface PipelineOptions {
  readonly mode: 'consistent' | 'immediate';
  readonly sequencer: SequencerOptions;
  readonly retireOffsetMs: number;
  readonly maxGuardKeys: number;
  /** In consistent mode: whether and when rows of free tables go ahead. */
  readonly bestEffort?: BestEffortOptions;
  /** Immediate mode takes schemas whose tables refer to one another too. */
  readonly immediateForeignKeys?: boolean;
}
