import { expect, test } from 'vitest';
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import {
  parsePosition,
  printPosition,
} from '../../../../src/source/logical/server/slot-position.ts';

const position = {
  slot: 'a "slot"',
  systemId: '7575757575757575757',
  timeline: 3,
  lsn: '16/B374D848',
  reader: 'one',
};

test('a position is read as it was printed, on one line', () => {
  const printed = printPosition(position);
  expect(printed).not.toContain('\n');
  expect(parsePosition(printed, position.slot)).toEqual(position);
  expect(parsePosition(null, position.slot)).toBeNull();
});

test('two readers at one place never note the same', () => {
  expect(printPosition(position)).not.toBe(
    printPosition({ ...position, reader: 'another' }),
  );
});

test('a position of another slot is refused by name', () => {
  const refused = (): unknown =>
    parsePosition(printPosition(position), 'other');
  expect(refused).toThrow(ReplicatorError);
  expect(refused).toThrow(/a \\"slot\\".*16\/B374D848.*"other"/);
});
