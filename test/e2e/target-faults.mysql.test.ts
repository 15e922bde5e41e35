import { expect, test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { MYSQL_PRODUCTS } from '../support/mysql-test-database.ts';
import { Arena, sayRound, untilMoreIsApplied } from './arena.ts';
import { faults, faultTimeoutMs, lostAnswers, roundCount } from './faults.ts';
import { startMysqlTarget } from './mysql-target.ts';

const consistentFaults = [
  // Of ways to stop in order, servers of this family know one.
  ...faults.filter(({ name }) => !/immediate|lost/.test(name)),
  // Not the ledger's column committed_at, which stands in other statements.
  lostAnswers(/\bcommit\b/i),
];
/** Each request waits for the target there: fewer say as much. */
const immediateFaults = consistentFaults.filter(({ name }) =>
  /kill|cut|lost/.test(name),
);

test.for(
  MYSQL_PRODUCTS.flatMap((product) =>
    (['consistent', 'immediate'] as const).map(
      (mode) => [product, mode] as const,
    ),
  ),
)(
  '%s suffers each fault in turn in %s mode: nothing is lost, applied twice or half visible',
  { timeout: faultTimeoutMs * 2 },
  async ([product, mode]) => {
    await using target = await startMysqlTarget(product);
    const { server } = target;
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: proxy.url(target.url),
      directTargetUrl: target.url,
      mode,
    });
    await arena.start();
    // Seldom enough that a busy machine gets on between two replays.
    const workload = arena.workload({ replayIntervalMs: 4_000 });
    await untilMoreIsApplied(workload, () => arena.daemon.logs());
    for (let round = 1; round <= roundCount; round += 1) {
      for (const { name, strike } of mode === 'consistent'
        ? consistentFaults
        : immediateFaults) {
        await strike(server, proxy);
        await untilMoreIsApplied(
          workload,
          () => `${name}\n${arena.daemon.logs().slice(-4000)}`,
        );
      }
      sayRound(`${product}, ${mode}`, round, roundCount);
    }
    const report = await arena.settle(workload);
    if (mode === 'consistent') {
      // Staging goes on accepting whatever befalls the target.
      expect(report.progress.restarts, report.progress.lastFailure).toBe(0);
    }
  },
);
