/**
 * `npm run bench`: each case is measured in turn with its floor: floor, case,
 * floor, case, floor …; the figures are medians. The points of a growth take
 * turns within each round. Ends by itself.
 */
import type {
  BenchCase,
  BenchGrowth,
  CaseSample,
  FloorSample,
} from './case.ts';
import { pointsOf, selectCases } from './cases/all.ts';
import { openEnvironment } from './environment.ts';
import { benchOptions, orUsage } from './options.ts';
import {
  type CaseSummary,
  type SpreadSummary,
  fastestFloor,
  summarise,
  summariseFloor,
  summariseSpread,
} from './summary.ts';

const usage = `npm run bench -- [names] [--json] [--seconds N] [--rounds N] [--floors]
    [--changes N] [--backlog N]`;
const { names, json, seconds, rounds, changes, backlog, floors } = benchOptions(
  usage,
  { mayMeasureFloors: true },
);
// A name that is not known shall not wait for servers.
const chosenCases = orUsage(usage, () => selectCases(names));

await using environment = await openEnvironment();
const options = { environment, seconds, changes, backlog };
const summaries: CaseSummary[] = [];
const spreads: SpreadSummary[] = [];
for (const chosen of chosenCases) {
  if (floors) {
    for (const point of pointsOf(chosen)) await printFloors(point);
  } else {
    await runCase(chosen);
  }
}
if (!json) {
  // Those without a floor have other columns.
  for (const hasFloor of [true, false]) {
    const lines = summaries.filter((it) => 'ratio' in it === hasFloor);
    if (lines.length > 0) console.table(lines);
  }
  if (spreads.length > 0) console.table(spreads);
}

async function runCase(chosen: BenchCase | BenchGrowth): Promise<void> {
  const points = [];
  for (const benchCase of pointsOf(chosen)) {
    const floor = await fastestFloor(benchCase, options);
    const samples: CaseSample[] = [];
    const floorSamples: FloorSample[] = floor
      ? [await floor.measure(options)]
      : [];
    points.push({ benchCase, floor, samples, floorSamples });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { benchCase, floor, samples, floorSamples } of points) {
      samples.push(await benchCase.measure(options));
      if (floor) floorSamples.push(await floor.measure(options));
    }
  }
  const found = points.map(({ benchCase, floor, samples, floorSamples }) => {
    const summary = summarise(benchCase.name, samples, floorSamples);
    if (json) console.log(JSON.stringify(summary));
    else
      console.error(`${summary.name}: done (floor: ${floor?.name ?? 'none'})`);
    return summary;
  });
  summaries.push(...found);
  if ('points' in chosen) {
    const spread = summariseSpread(chosen, found);
    spreads.push(spread);
    if (json) console.log(JSON.stringify(spread));
  }
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
