import { expect, test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { Arena, untilMoreIsApplied } from './arena.ts';
import { faults, faultTimeoutMs, strikeInTurn } from './faults.ts';

test.for([
  ['consistent', 'nothing is lost, applied twice or half visible'],
  ['immediate', 'every accepted row is there, none older than it was'],
] as const)(
  'in %s mode the target suffers each fault in turn: %s',
  { timeout: faultTimeoutMs * faults.length },
  async ([mode]) => {
    await using server = await startPostgresServer({ fsync: false });
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: proxy.url(server.url()),
      directTargetUrl: server.url(),
      mode,
    });
    await arena.start();
    // Seldom enough that a busy machine gets on between two replays.
    const workload = arena.workload({ replayIntervalMs: 4_000 });
    // Until the daemon knows the tables it must ask the target for them.
    await untilMoreIsApplied(workload, () => arena.daemon.logs());
    await strikeInTurn(
      `faults of the target in ${mode} mode`,
      { server, proxy },
      { arena, workload },
    );
    const report = await arena.settle(workload);
    if (mode === 'consistent') {
      // Staging goes on accepting whatever befalls the target.
      expect(report.progress.restarts, report.progress.lastFailure).toBe(0);
    }
  },
);
