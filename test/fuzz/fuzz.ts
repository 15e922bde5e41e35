/**
 * node test/fuzz/fuzz.ts <target>|all [--seconds N] [--runs N] [--seed N] [--write]
 *
 * Looks for inputs that break an invariant of test/fuzz/targets; ends with 1
 * and the input where there is one. --write keeps in the corpus what did
 * something new, and what was found (under a name that begins with `found-`).
 */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BlockCoverage } from './block-coverage.ts';
import { corpusFolder, readCorpus } from './corpus.ts';
import { FuzzLoop } from './fuzz-loop.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { targetNames } from './target-names.ts';

/** More would be noise in the repository. */
const maxCorpusEntries = 150;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    write: { type: 'boolean', default: false },
  },
});
const names = positionals[0] === 'all' ? targetNames : positionals;
for (const name of names) {
  await fuzz(name, (Number(values.seconds) * 1_000) / names.length);
}

async function fuzz(name: string, maxMs: number): Promise<void> {
  // Before the sources are compiled, hence before the import.
  const coverage = new BlockCoverage(['/src/']);
  const { target } = (await import(`./targets/${name}.ts`)) as {
    target: FuzzTarget;
  };
  coverage.only(target.covers);
  const corpus = readCorpus(name);
  const loop = new FuzzLoop(target, coverage);
  const outcome = loop.run(
    corpus.map(({ input }) => input),
    { seed: Number(values.seed), maxRuns: Number(values.runs), maxMs },
  );
  coverage.stop();
  const { runCount, featureCount, kept, finding } = outcome;
  process.stdout.write(
    `${name}: seed ${values.seed}, ${runCount} runs, ${featureCount} features, ${kept.length} inputs worth keeping\n`,
  );
  if (finding !== null) {
    process.exitCode = 1;
    const { input, error } = finding;
    process.stdout.write(
      `${name}: found ${JSON.stringify(input.toString('latin1'))}\n${(error as Error).stack}\n`,
    );
  }
  if (values.write) {
    const folder = corpusFolder(name);
    mkdirSync(folder, { recursive: true });
    for (const { file } of corpus) {
      if (/^[0-9a-f]{12}$/.test(file)) {
        rmSync(`${folder}/${file}`);
      }
    }
    const named = new Set(
      corpus
        .filter(({ file }) => !/^[0-9a-f]{12}$/.test(file))
        .map(({ input }) => input.toString('latin1')),
    );
    for (const input of kept.slice(0, maxCorpusEntries)) {
      if (!named.has(input.toString('latin1'))) {
        writeFileSync(`${folder}/${hashOf(input)}`, input);
      }
    }
    if (finding !== null) {
      writeFileSync(`${folder}/found-${hashOf(finding.input)}`, finding.input);
    }
  }
}

function hashOf(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 12);
}
