import type { Reporter, TestModule } from 'vitest/node';

/**
 * The last line of a run, for people and for programs:
 * `412 passed, 0 failed` (and `, 3 skipped` where tests were left out).
 */
export class ClosingLineReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly unknown[],
  ): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    // A file that cannot be loaded has no test to count.
    let brokenCount = errors.length;
    for (const module of modules) {
      brokenCount += module.errors().length;
      for (const test of module.children.allTests()) {
        counts[test.result().state] += 1;
      }
    }
    const failedCount = counts.failed + counts.pending + brokenCount;
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    // Once the other reporters have written theirs.
    process.on('exit', () => {
      console.log(`${counts.passed} passed, ${failedCount} failed${skipped}`);
    });
  }
}
