import { constants } from 'node:buffer';
import { expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../../../src/mutation/mutation.ts';
import { zeroTimestamp } from '../../../../src/mutation/timestamp.ts';
import {
  mostRowCharacters,
  requireRowSize,
} from '../../../../src/source/logical/decode/row-size.ts';
import type { SourceRelation } from '../../../../src/source/logical/decode/relations.ts';

const relation: SourceRelation = {
  oid: 1,
  schema: 'public',
  table: 'document',
  replicaIdentity: 'full',
  columns: [],
};

/** Takes no memory: the string is made of itself. */
const text = (length: number): JsonText => 'x'.repeat(length) as JsonText;

function rowOf(keyLength: number, afterLength: number): Mutation {
  return {
    time: zeroTimestamp,
    key: text(keyLength),
    after: text(afterLength),
    before: null,
  };
}

test('a row that is as large as one text with its key is staged', () => {
  const half = Math.floor(mostRowCharacters / 2);
  requireRowSize({ relation, isKeyed: false }, rowOf(half, half));
  requireRowSize({ relation, isKeyed: true }, rowOf(1, mostRowCharacters - 1));
});

test('a row that is one text alone and not with its key is refused by the name of its table', () => {
  const length = Math.ceil(constants.MAX_STRING_LENGTH / 2);
  expect(() =>
    requireRowSize({ relation, isKeyed: false }, rowOf(length, length)),
  ).toThrow(
    expect.objectContaining({
      code: 'E6012',
      disposition: 'halt',
      message: expect.stringMatching(
        /a row of public\.document .* target table has no primary key/,
      ),
    }),
  );
});

test('a large row is refused in the version that it had before, too', () => {
  const row = { ...rowOf(10, 10), after: null };
  expect(() =>
    requireRowSize(
      { relation, isKeyed: true },
      { ...row, before: text(mostRowCharacters) },
    ),
  ).toThrow(expect.objectContaining({ code: 'E6012' }));
});
