/** What holds of marked rows at every engine. */
import { expect } from 'vitest';

import { runCommandLine } from '../support/captured-io.ts';
import {
  type MarkedHouse,
  markersIn,
  refusedBodies,
} from '../support/row-markers.ts';

/** A letter of row 7 is on its way: it alone shows what the row holds. */
export async function expectLetterAloneShowsRow(
  house: MarkedHouse,
  targetUrl: string,
  schema: string,
): Promise<void> {
  const dlq = async (...argv: string[]): Promise<string> => {
    const { stdout, stderr } = await runCommandLine([
      'dlq',
      ...argv,
      `--targetConn=${targetUrl}`,
      `--schema=${schema}`,
    ]);
    return `${stdout}\n${stderr}`;
  };
  await expect.poll(() => dlq('list'), { timeout: 60_000 }).toContain('[7]');
  const [letter] = JSON.parse(await dlq('list', '--json')).letters;
  expect(markersIn(await dlq('show', letter.id))).not.toEqual([]);
  for (const said of [
    await dlq('list'),
    await dlq('list', '--json'),
    await dlq('retry', '--dry-run'),
    await dlq('retry'),
    await dlq('discard', '--dry-run'),
    await house.said(),
  ]) {
    expect(markersIn(said)).toEqual([]);
  }
}

/** Sends to the table `t` what can never work. */
export async function expectRefusalsShowNoRow(
  house: MarkedHouse,
  path: string,
): Promise<void> {
  const refusals: number[] = [];
  for (const body of refusedBodies('t')) {
    refusals.push(await house.post(path, body));
  }
  expect(refusals.filter((status) => status >= 400).length).toBeGreaterThan(25);
  expect(markersIn(await house.said())).toEqual([]);
}
