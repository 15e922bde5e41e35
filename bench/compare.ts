/**
 * `npm run bench:compare -- A B [names] [--json] [--seconds N] [--rounds N]
 *     [--changes N] [--backlog N]`
 *
 * Measures the daemons of two commits in turn, A, B, A, B …, with the cases of
 * this checkout, so that both meet the same load. `.` is the working tree.
 */
import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { CaseSample, FloorSample } from './case.ts';
import { pointsOf, selectCases } from './cases/all.ts';
import { openEnvironment } from './environment.ts';
import { fastestFloor, summarise } from './summary.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    changes: { type: 'string', default: '1000000' },
    backlog: { type: 'string', default: '1000000' },
  },
});
const [first, second, ...names] = positionals;
if (first === undefined || second === undefined) {
  throw new Error('name two commits: npm run bench:compare -- A B [cases]');
}
const seconds = Math.min(15, Number(values.seconds));
const rounds = Math.max(1, Number(values.rounds));
const changes = Math.max(1000, Number(values.changes));
const backlog = Math.max(1000, Number(values.backlog));
const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

await using environment = await openEnvironment();
await using worktrees = new AsyncDisposableStack();
const programs = [
  { commit: first, program: await programOf(first) },
  { commit: second, program: await programOf(second) },
];
const lines = [];
for (const benchCase of selectCases(names).flatMap(pointsOf)) {
  const options = { environment, seconds, changes, backlog };
  const floor = await fastestFloor(benchCase, options);
  const floorSamples: FloorSample[] = floor
    ? [await floor.measure(options)]
    : [];
  const samples = programs.map((): CaseSample[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { program }] of programs.entries()) {
      samples[index]?.push(await benchCase.measure(options, program));
    }
    if (floor) floorSamples.push(await floor.measure(options));
  }
  for (const [index, { commit }] of programs.entries()) {
    const { name, ...figures } = summarise(
      benchCase.name,
      samples[index] ?? [],
      floorSamples,
    );
    const line = { name, commit, ...figures };
    lines.push(line);
    if (values.json) console.log(JSON.stringify(line));
  }
}
if (!values.json) console.table(lines);

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
