import { expect, onTestFinished, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';
import { slotHouse, startSlotServer } from '../../support/slot-house.ts';

test('the state of a daemon behind a slot is shown to a token for it, and to anyone on loopback when that is asked for', async () => {
  const server = await startSlotServer();
  onTestFinished(() => server[Symbol.asyncDispose]());
  await using house = await slotHouse({
    server,
    setup: 'create table item (id int8 primary key)',
  });
  const statusOf = async (token: string | null): Promise<number> => {
    const reply = await fetch(`${house.daemon.metricsUrl}/_/diag`, {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
    await reply.text();
    return reply.status;
  };
  const run = async (...argv: string[]): Promise<string> => {
    const { exitCode, stdout } = await runCommandLine(argv);
    expect(exitCode).toBe(0);
    return stdout.trim();
  };
  const keys = `${house.dataDir}/keys`;
  await run(
    'jwt',
    'add-key',
    '--generate',
    `--out=${keys}`,
    `--dataDir=${house.dataDir}`,
  );
  const key = `--key=${keys}/token-key.pem`;
  const diag = await run('make-jwt', key, '--allow=_.diag');
  const feed = await run('make-jwt', key, '--allow=shop.public');
  await expect
    .poll(() => house.daemon.logs(), { timeout: 60_000 })
    .toContain('ready: slot');
  house.daemon.kill('SIGHUP');
  await expect.poll(() => statusOf(diag), { timeout: 30_000 }).toBe(200);
  expect(await statusOf(feed)).toBe(403);
  expect(await statusOf(null)).toBe(403);
  await house.stop();
  await house.start({ args: ['--disableAuthentication'] });
  expect(await statusOf(null)).toBe(200);
}, 180_000);
