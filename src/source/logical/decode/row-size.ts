import { constants } from 'node:buffer';

import { ReplicatorError } from '../../../failure/failure.ts';
import { type Mutation, textLengthOf } from '../../../mutation/mutation.ts';
import { sourceName } from './change-errors.ts';
import type { TablePlan } from './table-plan.ts';

/**
 * A row is staged as one text, behind others of up to 1 MiB and names of
 * columns (batch-codec.ts).
 */
export const mostRowCharacters = constants.MAX_STRING_LENGTH - (4 << 20);

/**
 * Throws E6012 for a row that cannot be staged. Where the target has no
 * primary key the row is its own key too, and so is held twice.
 */
export function requireRowSize(
  plan: Pick<TablePlan, 'relation' | 'isKeyed'>,
  mutation: Mutation,
): void {
  const length = textLengthOf(mutation);
  if (length > mostRowCharacters) {
    throw new ReplicatorError('E6012', {
      detail: `a row of ${sourceName(plan)} takes ${length} characters as JSON${plan.isKeyed ? '' : ', twice what it holds, because the target table has no primary key'}, and more than ${mostRowCharacters} cannot be staged`,
    });
  }
}
