import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { startCpuProfile } from '../../src/telemetry/cpu-profile.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'replicator-profile-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

interface Profile {
  readonly nodes: readonly { readonly callFrame: { functionName: string } }[];
  readonly samples: readonly number[];
}

function profiles(): Profile[] {
  return readdirSync(dataDir).map((name) => {
    expect(name).toMatch(/^profile-\d{8}T\d{6}\.\d{3}Z\.cpuprofile$/);
    const path = join(dataDir, name);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    return JSON.parse(readFileSync(path, 'utf8')) as Profile;
  });
}

function spinForAWhile(): number {
  const endMs = performance.now() + 200;
  let sum = 0;
  while (performance.now() < endMs) {
    sum += Math.sqrt(sum + 1);
  }
  return sum;
}

test('a profile that is ended names the functions that took the time', async () => {
  await using profile = await startCpuProfile(
    { dataDir, profile: 600_000 },
    silentLogger,
  );
  spinForAWhile();
  await profile[Symbol.asyncDispose]();
  const [written] = profiles();
  expect(written!.samples.length).toBeGreaterThan(0);
  expect(
    written!.nodes.map(({ callFrame }) => callFrame.functionName),
  ).toContain('spinForAWhile');
});

test('when its time is over it is written, and once', async () => {
  await using _profile = await startCpuProfile(
    { dataDir, profile: 50 },
    silentLogger,
  );
  await expect.poll(() => profiles().length).toBe(1);
});

test('without a length there is none', async () => {
  {
    await using _profile = await startCpuProfile(
      { dataDir, profile: 0 },
      silentLogger,
    );
  }
  expect(readdirSync(dataDir)).toEqual([]);
});
