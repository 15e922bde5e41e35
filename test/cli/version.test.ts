import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { runCommandLine } from '../support/captured-io.ts';

test('version names replicator, Node and the platform', async () => {
  const { exitCode, stdout } = await runCommandLine(['version']);
  expect([exitCode, stdout]).toEqual([
    0,
    `replicator ${packageJson.version}\nnode ${process.versions.node}\nplatform ${process.platform}-${process.arch}\n`,
  ]);
  expect((await runCommandLine(['--version'])).stdout).toBe(stdout);
});

test('--deps lists what runs, with version, licence and checksum, and no development tool', async () => {
  const { stdout } = await runCommandLine(['version', '--deps']);
  const lines = stdout.split('\n\n')[1]!.trimEnd().split('\n');
  for (const line of lines) {
    expect(line).toMatch(
      /^(@[\w.-]+\/)?[\w.-]+ \d+\.\d+\.\d+\S* \S.* (sha512-\S+)$/,
    );
  }
  const names = lines.map((line) => line.split(' ')[0]!);
  expect(names).toEqual(
    expect.arrayContaining(Object.keys(packageJson.dependencies)),
  );
  expect(names).not.toEqual(expect.arrayContaining(['vitest']));
  expect(names).toEqual(names.toSorted());
});
