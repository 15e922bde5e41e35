import { expect, test } from 'vitest';

import { createClock } from '../../src/workload/clock.ts';
import {
  type Comparison,
  compareTables,
} from '../../src/workload/comparison.ts';
import type { ColumnKind } from '../../src/workload/engines/engine.ts';
import { sqlserverEngine } from '../../src/workload/engines/sqlserver.ts';
import { createRandom } from '../../src/workload/random.ts';
import { Source } from '../../src/workload/source.ts';
import { workloadTables } from '../../src/workload/tables.ts';
import { TargetReader } from '../../src/workload/target-reader.ts';
import type { Cell } from '../../src/workload/values.ts';
import {
  type SqlServerTestDatabase,
  testSqlServerDatabase,
} from '../support/sqlserver-test-database.ts';
import { hasServer } from '../target/sqlserver/fixture.ts';

const source = new Source(createClock(), createRandom(5), { tableRows: 60 });
for (let count = 0; count < 100; count += 1) {
  source.commit(5);
}

/** The tables with every row of the source, and a look at them. */
async function filledDatabase(): Promise<
  { db: SqlServerTestDatabase; look(): Promise<Comparison> } & AsyncDisposable
> {
  await using stack = new AsyncDisposableStack();
  const db = stack.use(await testSqlServerDatabase());
  const reader = stack.use(
    new TargetReader(sqlserverEngine, { url: db.url, schema: 'dbo' }),
  );
  await reader.createTables(true);
  for (const { name, columns } of workloadTables) {
    for (const [, row] of source.histories
      .get(name)!
      .stateAt(source.sequence)) {
      const literals = columns.map(({ kind }, index) =>
        literalOf(kind, row.cells[index]!),
      );
      await db.query(`insert into dbo.${name} values (${literals.join(', ')})`);
    }
  }
  const owned = stack.move();
  return {
    db,
    look: async () =>
      compareTables(
        source.histories.values(),
        await reader.snapshot(),
        source.sequence,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function literalOf(kind: ColumnKind, { json, text }: Cell): string {
  if (text === null) {
    return 'null';
  }
  const quoted = (value: string): string => `N'${value.replaceAll("'", "''")}'`;
  switch (kind) {
    case 'int4':
    case 'int8':
    case 'decimal':
    case 'float8':
      return text;
    case 'bool':
      return text === 'true' ? '1' : '0';
    case 'bytes':
      return `0x${text.slice(2)}`;
    case 'date':
      return `cast(${quoted(text)} as date)`;
    case 'instant':
      return `cast(${quoted(text.replace('+00', ' +00:00'))} as datetimeoffset(6))`;
    case 'uuid':
      return `cast(${quoted(text)} as uniqueidentifier)`;
    case 'json':
    case 'int8 array':
    case 'text array':
      return quoted(json);
    case 'text':
    case 'short text':
      return quoted(text);
  }
}

test.skipIf(!hasServer)(
  'what the source holds is found equal, and each planted difference is named',
  async () => {
    await using filled = await filledDatabase();
    expect(await filled.look()).toMatchObject({
      tableCount: 5,
      differenceCount: 0,
    });
    const ofOneSample = (column: string, value: string): string =>
      `update workload_sample set ${column} = ${value} where id = (select min(id) from workload_sample where ${column} is not null and id like 'sample%')`;
    const damages = [
      [
        'workload_sample',
        ofOneSample('exact', 'exact + cast(0.00000001 as decimal(38, 8))'),
      ],
      [
        'workload_sample',
        ofOneSample('instant', 'dateadd(microsecond, 1, instant)'),
      ],
      ['workload_sample', ofOneSample('numbers', `N'[3, 4]'`)],
      ['workload_sample', ofOneSample('approximate', 'approximate + 0.125')],
      ['workload_sample', ofOneSample('raw', 'raw + 0x00')],
      [
        'workload_customer',
        `update workload_customer set name = name + N' ' where id = (select min(id) from workload_customer)`,
      ],
      [
        'workload_ledger',
        `update workload_ledger set row_count = -1 where entry = 1`,
      ],
      ['workload_ledger', `delete from workload_ledger where entry = 2`],
    ] as const;
    const known = new Set<string>();
    for (const [table, damage] of damages) {
      await filled.db.query(damage);
      const fresh = (await filled.look()).differences
        .map((difference) => JSON.stringify(difference))
        .filter((difference) => !known.has(difference));
      expect([damage, fresh.length]).toEqual([damage, 1]);
      expect(fresh[0]).toContain(`"table":"${table}"`);
      known.add(fresh[0]!);
    }
  },
);
