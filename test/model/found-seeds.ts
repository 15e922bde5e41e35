/** Every case in which the suite has ever found something, so that it stays mended. */
import { readFile } from 'node:fs/promises';
import type { ModelCase } from './model-case.ts';

export interface FoundCase {
  /** What was wrong. */
  readonly found: string;
  /** In test/testdata/model; what a failing run prints last. */
  readonly file: string;
}

export const foundCases: readonly FoundCase[] = [
  {
    found: 'rows of a joined schema were lost out of giant transactions',
    file: 'giant-over-two-schemas.json',
  },
  {
    found:
      'a commit whose answer was lost was not known to the version guard, and older versions came back over it',
    file: 'commit-without-answer.json',
  },
  {
    found:
      'tables in a circle, some of whose links are checked at once, were written in an order that these refuse',
    file: 'circle-with-links-checked-at-once.json',
  },
  {
    found:
      'a unique value could not change while a row that referred to it waited to be deleted',
    file: 'child-that-goes-before-its-unique-value.json',
  },
  {
    found:
      'rows of a joined schema went ahead of the sweep, which then brought older versions back over them',
    file: 'best-effort-over-two-schemas.json',
  },
  {
    found:
      'a transaction was written whole and read in parts when its bad rows were looked for, so that none were found',
    file: 'bad-rows-in-large-transactions.json',
  },
  {
    found:
      'children of a row that was set aside out of a transaction in parts stood in the way of it',
    file: 'child-of-bad-row-in-large-transaction.json',
  },
  {
    found:
      'a reference of a table to itself followed a value to the row that had it before, though it was to stay with the value',
    file: 'reference-that-followed-its-value.json',
  },
  {
    found:
      'unique references that may not be null went along a chain of rows whose deletes would cascade, and were refused for good',
    file: 'unique-references-along-a-chain.json',
  },
];

/** The same of MySQL and MariaDB. */
export const foundMysqlCases: readonly FoundCase[] = [
  {
    found:
      'a statement was sent before the one in front of it had said that values could not be taken away',
    file: 'link-that-was-not-written-behind-its-row.json',
  },
  {
    found:
      'a value that was taken away for a moment was lost to rows of another database',
    file: 'value-referred-from-another-database.json',
  },
];

export async function readCase({ file }: FoundCase): Promise<ModelCase> {
  const url = new URL(`../testdata/model/${file}`, import.meta.url);
  return JSON.parse(await readFile(url, 'utf8')) as ModelCase;
}
