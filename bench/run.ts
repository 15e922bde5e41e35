/**
 * `npm run bench -- [names] [--json] [--seconds N] [--rounds N] [--floors]
 *     [--changes N]`
 *
 * Each case is measured in turn with its floor: case, floor, case, floor …;
 * the figures are medians. Ends by itself.
 */
import { parseArgs } from 'node:util';
import type { BenchCase } from './case.ts';
import { selectCases } from './cases/all.ts';
import { openEnvironment } from './environment.ts';
import {
  type CaseSummary,
  fastestFloor,
  summarise,
  summariseFloor,
} from './summary.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    /** In the slot before a catch-up; fewer only for trying. */
    changes: { type: 'string', default: '1000000' },
    /** Measure floors alone. */
    floors: { type: 'boolean', default: false },
  },
});
const seconds = Math.min(15, Number(values.seconds));
const rounds = Math.max(1, Number(values.rounds));

await using environment = await openEnvironment();
const changes = Math.max(1000, Number(values.changes));
const options = { environment, seconds, changes };
const summaries: CaseSummary[] = [];
for (const benchCase of selectCases(positionals)) {
  if (values.floors) await printFloors(benchCase);
  else await runCase(benchCase);
}
if (!values.json && summaries.length > 0) console.table(summaries);

async function runCase(benchCase: BenchCase): Promise<void> {
  const samples = [];
  const floorRates = [];
  const floor = await fastestFloor(benchCase, options);
  for (let round = 0; round < rounds; round++) {
    samples.push(await benchCase.measure(options));
    floorRates.push(await floor.measure(options));
  }
  const summary = summarise(benchCase.name, samples, floorRates);
  summaries.push(summary);
  if (values.json) console.log(JSON.stringify(summary));
  else console.error(`${benchCase.name}: done (floor: ${floor.name})`);
}

async function printFloors({ name, floors }: BenchCase): Promise<void> {
  for (const floor of floors) {
    const samples = [];
    for (let round = 0; round < rounds; round++) {
      samples.push(await floor.measure(options));
    }
    console.log(
      JSON.stringify({
        case: name,
        floor: floor.name,
        ...summariseFloor(samples),
      }),
    );
  }
}
