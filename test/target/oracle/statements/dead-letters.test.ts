/** Dead letters in Oracle's words, on a database that reads its dialect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import type {
  DeadLetterBox,
  NewDeadLetter,
} from '../../../../src/target/dead-letters.ts';
import { DeadLetterTable } from '../../../../src/target/own-tables/dead-letter-table.ts';
import {
  deadLetterDialect,
  runDeadLetterStatement,
} from '../../../../src/target/oracle/statements/dead-letter-statements.ts';
import { OracleTransaction } from '../../../../src/target/oracle/transaction.ts';
import { refusingPolicies } from '../../../../src/target/value-policy.ts';
import { at, row } from '../../../contract/target-fixture.ts';
import {
  type Hsqldb,
  hsqldbMissing,
  startHsqldb,
} from '../../../support/oracle-hsqldb.ts';
import { hsqldbSession } from '../../../support/oracle-hsqldb-session.ts';

const schema = schemaName(['SHOP']);
const options = { dialect: deadLetterDialect, schema, tableName: 'letters' };

describe.skipIf(hsqldbMissing() !== null)('dead letters in HSQLDB', () => {
  let database: Hsqldb;
  const dead = (): DeadLetterTable =>
    new DeadLetterTable(options, (_signal, work) =>
      work((statement) =>
        runDeadLetterStatement(hsqldbSession(database), statement),
      ),
    );
  const inTransaction = async (
    work: (box: DeadLetterBox) => Promise<void>,
  ): Promise<void> => {
    await using transaction = new OracleTransaction(
      {
        connection: hsqldbSession(database),
        isDue: () => false,
        async [Symbol.asyncDispose]() {},
      },
      {
        isBlocked: async () => null,
        bindOptions: { policies: refusingPolicies, emptyString: 'error' },
        signal: undefined,
      },
    );
    await work(transaction.deadLetters(schema, 'letters'));
    await transaction.commit(null);
  };

  beforeAll(async () => {
    database = startHsqldb();
    await database.run('create schema "SHOP"');
    await database.run(
      deadLetterDialect
        .createStatement('"SHOP"."LETTERS"')
        .replaceAll(' char)', ')')
        .replaceAll('nclob', 'clob'),
    );
    await database.run('commit');
  }, 120_000);

  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('are written, listed, locked, superseded, taken and removed', async () => {
    const letter = (
      changes: Partial<NewDeadLetter> & Pick<NewDeadLetter, 'mutation'>,
    ): NewDeadLetter => ({
      table: 'ITEM',
      keyColumns: ['ID'],
      code: 'E4006',
      cause: 'too long',
      ...changes,
    });
    const written = [
      letter({ mutation: row(1, [1], { ID: '1.50', A: '"\\u0000 \'"' }) }),
      letter({
        mutation: {
          ...row(2, [2], { ID: '2' }),
          movedFrom: '[1]' as JsonText,
        },
      }),
      letter({ table: 'item', mutation: row(3, [1], null), cause: '' }),
    ];
    await inTransaction((box) => box.add(written));
    const listed = await dead().list({}, 10, null);
    expect(
      listed.map(
        ({ id: _i, createdAt: _c, supersededAt: _s, ...each }) => each,
      ),
    ).toEqual(written);
    expect(
      (await dead().list({ from: at(2), through: at(2) }, 10, null)).map(
        ({ mutation }) => mutation.key,
      ),
    ).toEqual(['[2]']);
    expect(await dead().count({ code: 'E4006' })).toBe(3);
    await inTransaction(async (box) => {
      expect(await box.lockKeys('ITEM', ['[1]', '[3]'] as JsonText[])).toEqual(
        new Map([['[1]', at(1)]]),
      );
      await box.supersede('ITEM', ['[1]' as JsonText]);
    });
    expect(await dead().openKeys()).toEqual(
      new Map([
        ['ITEM', new Set(['[2]'])],
        ['item', new Set(['[1]'])],
      ]),
    );
    const ids = listed.map(({ id }) => id);
    await inTransaction(async (box) => {
      const taken = await box.take(ids);
      expect(taken.map(({ supersededAt }) => supersededAt !== null)).toEqual([
        true,
        false,
        false,
      ]);
      await box.remove(ids.slice(1));
    });
    expect(await dead().count({ includeSuperseded: true })).toBe(1);
    expect(await dead().list({}, 1, ids[0]!)).toEqual([]);
  });
});
