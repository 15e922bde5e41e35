/**
 * `npm run bench:compare`: measures the daemons of two commits in turn, A, B,
 * A, B …, with the cases of this checkout, so that both meet the same load.
 * `.` is the working tree.
 */
import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CaseSample, FloorSample } from './case.ts';
import { pointsOf, selectCases } from './cases/all.ts';
import { openEnvironment } from './environment.ts';
import { benchOptions, orUsage } from './options.ts';
import { fastestFloor, summarise } from './summary.ts';

const usage = `npm run bench:compare -- A B [names] [--json] [--seconds N] [--rounds N]
    [--changes N] [--backlog N]`;
const options = benchOptions(usage);
const { json, seconds, rounds, changes, backlog } = options;
const { first, second, chosenCases } = orUsage(usage, () => {
  const [first, second, ...names] = options.names;
  if (first === undefined || second === undefined) {
    throw new Error('name two commits, or one and . for the working tree');
  }
  return { first, second, chosenCases: selectCases(names).flatMap(pointsOf) };
});
const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

await using environment = await openEnvironment();
await using worktrees = new AsyncDisposableStack();
const programs = [
  { commit: first, program: await programOf(first) },
  { commit: second, program: await programOf(second) },
];
const lines = [];
for (const benchCase of chosenCases) {
  const at = { environment, seconds, changes, backlog };
  const floor = await fastestFloor(benchCase, at);
  const floorSamples: FloorSample[] = floor ? [await floor.measure(at)] : [];
  const samples = programs.map((): CaseSample[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { program }] of programs.entries()) {
      samples[index]?.push(await benchCase.measure(at, program));
    }
    if (floor) floorSamples.push(await floor.measure(at));
  }
  for (const [index, { commit }] of programs.entries()) {
    const { name, ...figures } = summarise(
      benchCase.name,
      samples[index] ?? [],
      floorSamples,
    );
    const line = { name, commit, ...figures };
    lines.push(line);
    if (json) console.log(JSON.stringify(line));
  }
}
if (!json) console.table(lines);

/** The bin/replicator of a commit, checked out beside the packages of ours. */
async function programOf(commit: string): Promise<string> {
  if (commit === '.') return join(root, 'bin', 'replicator');
  const folder = join(await environment.freshFolder(), 'checkout');
  const git = (...args: string[]): Promise<unknown> =>
    run('git', ['-C', root, ...args]);
  await git('worktree', 'add', '--detach', folder, commit);
  worktrees.defer(async () => {
    await git('worktree', 'remove', '--force', folder);
  });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'bin', 'replicator');
}
