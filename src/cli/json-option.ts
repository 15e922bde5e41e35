import type { OptionTable } from '../config/options.ts';

/** Of commands that programs read too. */
export const jsonOption = {
  json: {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Print one JSON object instead of text.',
  },
} as const satisfies OptionTable;
