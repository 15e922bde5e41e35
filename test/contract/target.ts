/**
 * What every target must do, written once. An engine's test file calls
 * {@link registerTargetContract} with a way to open a fresh, empty schema.
 */
import { describe, expect, test } from 'vitest';
import { registerConstraintsCases } from './target-constraints.ts';
import { registerDeadLettersCases } from './target-dead-letters.ts';
import { registerFaultsCases } from './target-faults.ts';
import type { RegisterCase, TargetFixture } from './target-fixture.ts';
import { registerKeylessRowsCases } from './target-keyless-rows.ts';
import { registerNamesCases } from './target-names.ts';
import { registerEpochCases } from './target-epochs.ts';
import { registerChainsCases } from './target-chains.ts';
import { registerOrdersCases } from './target-orders.ts';
import { registerRowsCases } from './target-rows.ts';
import { registerSessionsCases } from './target-sessions.ts';
import { registerSizesCases } from './target-sizes.ts';
import { registerPassedKeysCases } from './target-passed-keys.ts';
import { registerSlotChangesCases } from './target-slot-changes.ts';

export function registerTargetContract(
  name: string,
  open: () => Promise<TargetFixture>,
  /** Why, by the title of a case that the engine cannot have. */
  unsupported: Readonly<Record<string, string>> = {},
): void {
  describe(`target contract: ${name}`, () => {
    const titles = new Set<string>();
    const register: RegisterCase = (title, work) => {
      titles.add(title);
      const reason = unsupported[title];
      if (reason === undefined) {
        test(title, work);
      } else {
        test.skip(`${title} (${reason})`, () => {});
      }
    };
    registerRowsCases(open, register);
    registerNamesCases(open, register);
    registerSizesCases(open, register);
    registerConstraintsCases(open, register);
    registerChainsCases(open, register);
    registerOrdersCases(open, register);
    registerSlotChangesCases(open, register);
    registerPassedKeysCases(open, register);
    registerKeylessRowsCases(open, register);
    registerDeadLettersCases(open, register);
    registerSessionsCases(open, register);
    registerEpochCases(open, register);
    registerFaultsCases(open, register);

    test('leaves out only cases that there are', () => {
      expect(
        Object.keys(unsupported).filter((title) => !titles.has(title)),
      ).toEqual([]);
    });
  });
}
