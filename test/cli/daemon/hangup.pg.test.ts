import { expect, test } from 'vitest';
import { Hangup } from '../../../src/cli/daemon/hangup.ts';
import { startDaemon } from '../../support/daemon.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { testDatabase } from '../../support/test-database.ts';

test('a daemon that is told to read its files again while it starts goes on starting', async () => {
  await using target = await testDatabase();
  await using proxy = await startFaultProxy({
    port: Number(new URL(target.url).port),
  });
  proxy.hold();
  await using daemon = await startDaemon({
    args: ['--tlsSelfSigned', `--targetConn=${proxy.url(target.url)}`],
    waitFor: 'nothing',
  });
  const ready = async (): Promise<number> =>
    (await fetch(`${daemon.metricsUrl}/_/healthz`)).status;
  await expect
    .poll(() => proxy.isHolding || daemon.logs(), { timeout: 60_000 })
    .toBe(true);
  daemon.kill('SIGHUP');
  await proxy.resume();
  await expect
    .poll(() => ready().catch(() => daemon.logs()), { timeout: 60_000 })
    .toBe(200);
  // What it had read before the signal, it has read again.
  await expect
    .poll(() => daemon.logs(), { timeout: 60_000 })
    .toContain('certificates read again');
  daemon.kill('SIGTERM');
  expect(await daemon.exited).toBe(0);
});

test('who joins after a signal hears of it at once, and who has left hears no more', () => {
  using hangup = new Hangup();
  const heard: string[] = [];
  const first = hangup.calls(() => heard.push('first'));
  process.emit('SIGHUP', 'SIGHUP');
  using _second = hangup.calls(() => heard.push('second'));
  first[Symbol.dispose]();
  process.emit('SIGHUP', 'SIGHUP');
  expect(heard).toEqual(['first', 'second', 'second']);
});
