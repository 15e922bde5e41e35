/**
 * What every target must do, written once. An engine's test file calls
 * {@link registerTargetContract} with a way to open a fresh, empty schema.
 */
import { describe } from 'vitest';
import { registerConstraintsCases } from './target-constraints.ts';
import type { TargetFixture } from './target-fixture.ts';
import { registerRowsCases } from './target-rows.ts';
import { registerSessionsCases } from './target-sessions.ts';

export function registerTargetContract(
  name: string,
  open: () => Promise<TargetFixture>,
): void {
  describe(`target contract: ${name}`, () => {
    registerRowsCases(open);
    registerConstraintsCases(open);
    registerSessionsCases(open);
  });
}
