import { test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena } from './arena.ts';
import { faults, faultTimeoutMs, strikeInTurn } from './faults.ts';

test(
  'the staging server suffers each fault in turn: nothing that was accepted is lost',
  { timeout: faultTimeoutMs * faults.length },
  async () => {
    await using target = await testDatabase();
    await using server = await startPostgresServer({ fsync: false });
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: target.url,
      stagingUrl: proxy.url(server.url()),
    });
    await arena.start();
    const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
    await strikeInTurn(
      'faults of staging',
      { server, proxy },
      { arena, workload },
    );
    await arena.settle(workload);
  },
);
