/** How the values of one column are written; values.ts puts rows together. */
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ValueCheck } from '../../values/value-limits.ts';

export interface Writer {
  /** The token is what is sent, as it is. */
  readonly isPlain?: (token: JsonText) => boolean;
  /** The value's text before it is checked; without it, the ordinary one. */
  readonly text?: (token: JsonText) => string;
  /** The text that is sent. Throws UnstorableValue. */
  readonly wire: (text: string) => string;
}

/** Throws what the check has against a text. */
export function checked(
  check: ValueCheck,
  wire: (text: string) => string = (text) => text,
): (text: string) => string {
  return (text) => {
    const refusal = check(text);
    if (refusal) {
      throw refusal;
    }
    return wire(text);
  };
}
