/** Refusals that are the same on several engines. */
import type { Outcome, Refusal } from './types.ts';

export function outside(min: string, max: string, clamp = max): Outcome {
  return { refused: `is outside ${min} to ${max}`, clamp };
}

export function longerThan(
  limit: number,
  unit: string,
  clamp: string,
): Outcome {
  return { refused: `is longer than ${limit} ${unit}`, clamp };
}

export function isInfinite(text: string, clamp: string): Outcome {
  return { refused: `is ${text}`, clamp };
}

/** E4005: the type takes the value, a check constraint beside it does not. */
export const byConstraint: Refusal = {
  refused: 'does not pass a constraint of the column',
};

export const noDecimal: Outcome = { refused: 'is not a finite decimal number' };
export const noFloat: Outcome = { refused: 'is not a finite number' };

export const integerOutcomes = {
  int2: { 'too large': outside('-32768', '32767') },
  int4: { 'too large': outside('-2147483648', '2147483647') },
  int8: {
    'too large': outside('-9223372036854775808', '9223372036854775807'),
  },
};

/** Of a column with the precision and scale of the source. */
export const decimalOutcomes = {
  'more digits than the scale': {
    refused: 'has digits beyond the scale of 4',
    clamp: '0.0001',
  },
  'too large': {
    refused: 'has more than 16 digits before the point',
    clamp: '9999999999999999.9999',
  },
};

export function floatOutcomes(
  bits: 32 | 64,
  clamp: string,
): Record<string, Outcome> {
  return {
    'more digits than it holds': {
      refused: `would be rounded by a float of ${bits} bits`,
      clamp,
    },
  };
}

export const fractionTooLong = (clamp: string): Outcome => ({
  refused: 'has more than 6 digits in the fraction of its second',
  clamp,
});
